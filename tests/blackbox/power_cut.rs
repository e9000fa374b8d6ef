//! Power cuts (catalogue F03, F04): of what the disk was told but not asked to keep, any part may be lost or torn; what was acknowledged is
//! there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use atproto_data::Cid;
use serde_json::json;

use crate::blobs::files;
use crate::harness::{Dice, DiskJournal, FaultyDisk, JournalEntry, JournalKind};
use crate::repo_car::verify_repo;
use crate::{Account, Answer, TestApp};

const NOTE: &str = "com.example.note";
/// Power cuts, each with a start of the server after it.
const CUTS: usize = 24;
/// Records, in two runs of the server: at the end of the first the write-ahead log goes into the database.
const RECORDS: usize = 60;
/// The least that a disk writes as a whole.
const SECTOR_BYTES: usize = 512;

/// A record that was acknowledged when the journal had so many bytes.
struct Promise {
    rkey: String,
    journal: u64,
}

async fn write(account: &Account, numbers: std::ops::Range<usize>, journal: &Path) -> Vec<Promise> {
    let mut promises = Vec::new();
    for number in numbers {
        let rkey = format!("n{number}");
        let text = "x".repeat(number * 200);
        account
            .create(NOTE, &rkey, &json!({"number": number, "text": text}))
            .await;
        let journal = fs::metadata(journal).unwrap().len();
        promises.push(Promise { rkey, journal });
    }
    promises
}

/// The database's files as the disk may have them after a power cut: what was there at the last sync of each, and any part of the rest.
fn after_power_cut(before: &[JournalEntry], dice: &mut Dice) -> BTreeMap<PathBuf, Vec<u8>> {
    let syncs = before
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.kind == JournalKind::Sync);
    let last_sync: BTreeMap<&Path, usize> = syncs.map(|(index, entry)| (&*entry.path, index)).collect();
    let mut files = BTreeMap::new();
    for (index, entry) in before.iter().enumerate() {
        let is_safe = last_sync.get(&*entry.path).is_some_and(|&last| index < last);
        match dice.below(3) {
            _ if is_safe || entry.kind == JournalKind::Remove => entry.apply(&mut files, entry.data.len()),
            0 => {}
            1 => entry.apply(&mut files, entry.data.len()),
            _ => {
                let sectors = entry.data.len().div_ceil(SECTOR_BYTES) as u64;
                let torn = usize::try_from(dice.below(sectors + 1)).unwrap() * SECTOR_BYTES;
                entry.apply(&mut files, torn.min(entry.data.len()));
            }
        }
    }
    files
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_power_cut_at_any_moment() {
    let Some(disk) = FaultyDisk::new() else { return };
    let mut dice = Dice::from_environment("what_was_acknowledged_survives_a_power_cut_at_any_moment");
    let journal_file = disk.journal();
    let setting = [("DISK_JOURNAL", journal_file.to_str().unwrap())];
    let mut app = TestApp::start_on(&disk, &setting).await;
    let alice = app.account("alice").await;
    let mut promises = write(&alice, 0..RECORDS / 2, &journal_file).await;
    app.restart().await;
    promises.extend(write(&alice, RECORDS / 2..RECORDS, &journal_file).await);
    app.kill();

    let journal = DiskJournal::read(&journal_file);
    let first = journal.entries_within(promises[0].journal);
    let moments = (journal.entries.len() - first) as u64;
    for _ in 0..CUTS {
        let cut = first + usize::try_from(dice.below(moments + 1)).unwrap();
        for name in ["pds.sqlite", "pds.sqlite-wal", "pds.sqlite-shm"] {
            let _ = fs::remove_file(app.data().join(name));
        }
        for (path, bytes) in after_power_cut(&journal.entries[..cut], &mut dice) {
            fs::write(path, bytes).unwrap();
        }
        app.start_again().await;
        let repo = verify_repo(&alice.export().await, &alice.did, &app.plc.signing_key(&alice.did));
        for promise in &promises {
            let is_acknowledged = journal.entries_within(promise.journal) <= cut;
            let path = format!("{NOTE}/{}", promise.rkey);
            assert!(
                !is_acknowledged || repo.records.contains_key(&path),
                "{path} is lost at {cut}"
            );
        }
        crate::replay::replay(&app.api, &app.plc).await;
        app.kill();
    }
}

#[tokio::test]
async fn a_blob_is_durable_with_its_name_and_directories_before_it_has_a_row() {
    let Some(disk) = FaultyDisk::new() else { return };
    let journal_file = disk.journal();
    let setting = [("DISK_JOURNAL", journal_file.to_str().unwrap())];
    let app = TestApp::start_on(&disk, &setting).await;
    let accounts = [app.account("alice").await, app.account("bob").await];
    let mut promises = Vec::new();
    for (number, length) in [1, 10, 300_000, 1_000_000, 10, 10].into_iter().enumerate() {
        let account = &accounts[number % 2];
        let bytes = vec![u8::try_from(number).unwrap(); length];
        let upload = app.api.post("com.atproto.repo.uploadBlob").bearer_auth(&account.access);
        let upload = upload.header("content-type", "application/x-bytes").body(bytes);
        let blob = Answer::to(upload).await.unwrap().ok()["blob"].clone();
        let cid = blob["ref"]["$link"].as_str().unwrap().to_owned();
        promises.push((cid, length as u64, fs::metadata(&journal_file).unwrap().len()));
    }
    let files = files(&app);
    let journal = DiskJournal::read(&journal_file);
    for (cid, length, end) in promises {
        let file = files.iter().find(|file| file.ends_with(&cid)).unwrap();
        let acknowledged = journal.entries_within(end);
        let cid: Cid = cid.parse().unwrap();
        let names_it = |entry: &JournalEntry| {
            entry
                .data
                .windows(cid.as_bytes().len())
                .any(|bytes| bytes == cid.as_bytes())
        };
        let row = journal.entries.iter().position(names_it).unwrap();
        assert!(row < acknowledged);
        assert!(
            journal.keeps(row, &app.data(), file, length),
            "{} would be lost",
            file.display()
        );
    }
}
