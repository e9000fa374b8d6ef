//! A server of a test's own, from its data directory to its PLC directory.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::process::{Ended, Process};
use super::{Account, Answer, Api, FaultyDisk, Firehose, Machine, Plc};
use crate::replay::replay;

pub(crate) const ADMIN_PASSWORD: &str = "admin-password-of-the-tests";
pub(crate) const JWT_SECRET: &str = "jwt-secret-of-the-tests-0123456789abcdef";
pub(crate) const SERVICE_DID: &str = "did:web:pds.test";
/// The server's PLC rotation key; it is secret to nobody.
const ROTATION_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A server with a data directory and a PLC directory of its own.
pub(crate) struct TestApp {
    pub(crate) api: Api,
    pub(crate) plc: Plc,
    settings: BTreeMap<String, String>,
    process: Option<Process>,
    launcher: Vec<String>,
    directory: TempDir,
    is_replayed: bool,
}

impl TestApp {
    /// A server with nothing unusual about it.
    pub(crate) async fn start() -> TestApp {
        TestApp::start_with(&[]).await
    }

    /// A server with some settings of its own.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> TestApp {
        TestApp::start_beside(Plc::start().await, settings).await
    }

    /// A server that registers DIDs at the given PLC directory.
    pub(crate) async fn start_beside(plc: Plc, own: &[(&str, &str)]) -> TestApp {
        TestApp::start_by(&[], plc, own).await
    }

    /// A server whose writes fail where the kernel bounds the size of its files (`prlimit --fsize`), instead of its being killed.
    pub(crate) async fn start_with_bounded_files() -> TestApp {
        let ignore = "trap '' XFSZ; exec \"$@\"";
        TestApp::start_by(&["/bin/sh", "-c", ignore, "sh"], Plc::start().await, &[]).await
    }

    /// A server whose disk fails when it is told to.
    pub(crate) async fn start_on(disk: &FaultyDisk, own: &[(&str, &str)]) -> TestApp {
        let launcher = disk.launcher();
        let launcher: Vec<&str> = launcher.iter().map(String::as_str).collect();
        TestApp::start_by(&launcher, Plc::start().await, own).await
    }

    /// A server whose machine has names and name servers of its own.
    pub(crate) async fn start_in(machine: &Machine, own: &[(&str, &str)]) -> TestApp {
        let launcher = machine.launcher();
        let launcher: Vec<&str> = launcher.iter().map(String::as_str).collect();
        TestApp::start_by(&launcher, Plc::start().await, own).await
    }

    /// A server that starts with fewer files than a thousand connections need, and may have more.
    pub(crate) async fn start_with_few_open_files() -> TestApp {
        let few = "ulimit -Sn 256; exec \"$@\"";
        TestApp::start_by(&["/bin/sh", "-c", few, "sh"], Plc::start().await, &[]).await
    }

    /// A server that can never have more than so many files open.
    pub(crate) async fn start_with_at_most_open_files(most: usize) -> TestApp {
        let bound = format!("ulimit -n {most}; exec \"$@\"");
        TestApp::start_by(&["/bin/sh", "-c", &bound, "sh"], Plc::start().await, &[]).await
    }

    /// A server that another command starts, if there is one.
    async fn start_by(launcher: &[&str], plc: Plc, own: &[(&str, &str)]) -> TestApp {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = settings(&directory.path().join("data"), plc.url());
        settings.extend(
            own.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let mut process = Process::start(launcher, &settings);
        let address = process.listening().await.unwrap();
        TestApp {
            api: Api::new(&address),
            plc,
            settings,
            process: Some(process),
            launcher: launcher.iter().map(|&word| word.to_owned()).collect(),
            directory,
            is_replayed: true,
        }
    }

    /// Ends the server as an operator does; it must exit with 0.
    pub(crate) async fn stop(&mut self) -> Ended {
        let ended = self.process.take().unwrap().terminate().await;
        assert!(ended.status.success(), "{ended:?}");
        ended
    }

    /// Starts the stopped server again on the same data.
    pub(crate) async fn start_again(&mut self) {
        let launcher: Vec<_> = self.launcher.iter().map(String::as_str).collect();
        let mut process = Process::start(&launcher, &self.settings);
        let address = process.listening().await.unwrap();
        self.api.moves_to(&address);
        self.process = Some(process);
    }

    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.start_again().await;
    }

    /// SIGKILL: nothing is finished, nothing is closed.
    pub(crate) fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }

    /// Changes a setting for the next start.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.settings.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn process(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    /// Errors in the server's log are what the test wants to see.
    pub(crate) fn may_complain(&mut self) {
        self.process.as_mut().unwrap().may_complain();
    }

    /// At the end, the firehose cannot be read from its beginning, or not be verified.
    pub(crate) fn is_not_replayed(&mut self) {
        self.is_replayed = false;
    }

    /// The settings that the server was started with.
    pub(crate) fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// `PDS_DATA_DIRECTORY`.
    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    /// A place for files of the test.
    pub(crate) fn scratch(&self) -> &Path {
        self.directory.path()
    }

    /// A procedure by the administrator.
    pub(crate) async fn administer(&self, nsid: &str, input: &serde_json::Value) -> Answer {
        let request = self.api.post(nsid).basic_auth("admin", Some(ADMIN_PASSWORD));
        Answer::to(request.json(input)).await.unwrap()
    }

    /// A fresh invite code.
    pub(crate) async fn invite(&self, uses: u32) -> String {
        let input = json!({"useCount": uses});
        let code = self
            .administer("com.atproto.server.createInviteCode", &input)
            .await
            .ok();
        code["code"].as_str().unwrap().to_owned()
    }

    /// A new account with the handle `<name>.test`.
    pub(crate) async fn account(&self, name: &str) -> Account {
        let input = self.sign_up(name).await;
        Account::new(
            &self.api,
            &self
                .api
                .procedure("com.atproto.server.createAccount", &input)
                .await
                .ok(),
        )
    }

    /// The input of `createAccount` for `<name>.test`, with an invite code of its own.
    pub(crate) async fn sign_up(&self, name: &str) -> serde_json::Value {
        json!({
            "handle": format!("{name}.test"),
            "email": format!("{name}@mail.example.com"),
            "password": password(name),
            "inviteCode": self.invite(1).await,
        })
    }

    /// A reader of the firehose from `cursor`, or of all that is written from now on.
    pub(crate) async fn firehose(&self, cursor: Option<i64>) -> Firehose {
        let text = cursor.map(|cursor| cursor.to_string());
        let mut firehose = Firehose::connect(&self.api.address(), text.as_deref()).await;
        if cursor.is_none() {
            firehose.begun().await;
        }
        firehose
    }
}

impl Drop for TestApp {
    /// A server that still runs must have told a history without contradiction.
    fn drop(&mut self) {
        let is_whole = self
            .process
            .as_ref()
            .is_some_and(|process| !process.may_have_complained());
        if !is_whole || !self.is_replayed || std::thread::panicking() {
            return;
        }
        let (address, plc) = (self.api.address(), self.plc.clone());
        // The runtime of the test waits here: this needs one of its own, and connections of its own.
        let replay = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(replay(&Api::new(&address), &plc));
        });
        if let Err(panic) = replay.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

/// The password of the account `<name>.test`.
pub(crate) fn password(name: &str) -> String {
    format!("password of {name}")
}

fn settings(data: &Path, plc_url: &str) -> BTreeMap<String, String> {
    let data = data.to_str().unwrap();
    [
        // A public URL without port: it stays the same through restarts.
        ("PDS_HOSTNAME", "pds.test"),
        ("PDS_SERVICE_HANDLE_DOMAINS", ".test"),
        ("PDS_BIND_ADDRESS", "127.0.0.1"),
        ("PDS_PORT", "0"),
        ("PDS_DATA_DIRECTORY", data),
        ("PDS_BLOBSTORE_DISK_LOCATION", &format!("{data}/blobs")),
        ("PDS_DID_PLC_URL", plc_url),
        ("PDS_DEV_MODE", "true"),
        ("PDS_ADMIN_PASSWORD", ADMIN_PASSWORD),
        ("PDS_JWT_SECRET", JWT_SECRET),
        ("PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX", ROTATION_KEY),
        // The tests ask more often than any limit allows.
        ("PDS_RATE_LIMITS_ENABLED", "false"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// Copies a directory with everything in it.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
