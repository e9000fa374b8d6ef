//! An S3 server on loopback: moto (PyPI), which `tests/clients/setup.sh` installs.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::http_get;

/// Tries until it answers, each of which takes some milliseconds.
const TRIES: usize = 20_000;

/// An S3 server that keeps everything in memory.
pub(crate) struct S3 {
    child: Option<Child>,
    program: PathBuf,
    port: u16,
}

impl S3 {
    /// A server without buckets. None, said loudly, where the program is missing; under CI it must be there.
    #[expect(clippy::disallowed_methods, reason = "tests: where they run")]
    pub(crate) async fn start() -> Option<S3> {
        let Some(program) = program() else {
            assert!(
                std::env::var_os("CI").is_none(),
                "moto_server is missing: tests/clients/setup.sh"
            );
            println!("NOT RUN: moto_server is missing: tests/clients/setup.sh installs it");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = S3 {
            child: None,
            program,
            port,
        };
        server.start_again().await;
        Some(server)
    }

    /// Starts it once more at the same address, with nothing in it.
    pub(crate) async fn start_again(&mut self) {
        let child = Command::new(&self.program)
            .args(["-H", "127.0.0.1", "-p", &self.port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
        for _ in 0..TRIES {
            if http_get(&self.url()).await.is_ok() {
                return;
            }
        }
        panic!("moto_server does not answer");
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes the bucket `blobs`.
    pub(crate) async fn create_bucket(&self) {
        let made = client().put(format!("{}/blobs", self.url())).send().await.unwrap();
        assert!(made.status().is_success());
    }

    /// The keys in the bucket, in order.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let (_, list) = http_get(&format!("{}/blobs?list-type=2", self.url())).await.unwrap();
        let keys = list.split("<Key>").skip(1);
        keys.map(|rest| rest.split("</Key>").next().unwrap().to_owned())
            .collect()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop();
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "tests: where programs are")]
fn program() -> Option<PathBuf> {
    let clients = std::env::var_os("PDS_CLIENTS_DIR").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/pds-clients"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let of_clients = clients.or(home).map(|clients| clients.join("venv/bin"));
    let mut directories = of_clients.into_iter().chain(std::env::split_paths(&path));
    directories.find_map(|directory| Some(directory.join("moto_server")).filter(|program| program.is_file()))
}
