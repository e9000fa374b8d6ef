//! The reader of imports against CARs of which anything may have been changed (mirrors the fuzz target of the simple CAR reader).

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use atproto_data::Cid;
use proptest::prelude::*;
use proptest::sample::Index;

use super::ImportError;
use super::imported_car::ImportedCar;
use super::tests::repo;

/// What is done to the bytes of a CAR.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Repeat(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        any::<Index>().prop_map(Change::Cut),
        (any::<Index>(), proptest::collection::vec(any::<u8>(), 0..50)).prop_map(|(at, new)| Change::Insert(at, new)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
    ]
}

impl Change {
    fn apply(&self, car: &mut Vec<u8>) {
        if car.is_empty() {
            return;
        }
        match self {
            Change::Set(at, byte) => *at.get_mut(car) = *byte,
            Change::Cut(at) => car.truncate(at.index(car.len())),
            Change::Insert(at, new) => {
                let at = at.index(car.len());
                car.splice(at..at, new.iter().copied());
            }
            Change::Repeat(from, to) => {
                let (from, to) = (from.index(car.len()), to.index(car.len()));
                car.extend_from_within(from.min(to)..from.max(to));
            }
        }
    }
}

/// All records, if the CAR is one that is imported.
fn read(car: &[u8], directory: &Path) -> Result<BTreeMap<String, Vec<u8>>, ImportError> {
    let mut file = tempfile::tempfile_in(directory).unwrap();
    file.write_all(car).unwrap();
    let car = ImportedCar::open(file, directory)?;
    car.check()?;
    let mut records = BTreeMap::new();
    car.each_record(|record| {
        assert_eq!(Cid::of_dag_cbor(record.content), record.cid);
        assert!(
            records
                .last_key_value()
                .is_none_or(|(last, _): (&String, _)| last.as_str() < record.path)
        );
        records.insert(record.path.to_owned(), record.content.to_vec());
        Ok::<_, ImportError>(())
    })?;
    Ok(records)
}

proptest! {
    /// It is refused, or it is the repo that its commit signs for.
    #[test]
    fn a_changed_car_is_refused_or_the_same_repo(changes in proptest::collection::vec(change(), 0..4)) {
        let directory = tempfile::tempdir().unwrap();
        let mut car = repo('a', 12).car();
        let whole = read(&car, directory.path()).unwrap();
        for change in &changes {
            change.apply(&mut car);
        }
        if let Ok(records) = read(&car, directory.path()) {
            prop_assert_eq!(records, whole);
        }
    }

    #[test]
    fn bytes_of_any_kind_end_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let directory = tempfile::tempdir().unwrap();
        prop_assert!(read(&bytes, directory.path()).is_err());
        // Behind a header that is right.
        let car = [&repo('a', 1).car()[..59], &bytes].concat();
        prop_assert!(read(&car, directory.path()).is_err());
    }
}
