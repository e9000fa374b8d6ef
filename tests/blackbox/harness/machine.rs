//! What a server's machine knows of names: `/etc/hosts` and `/etc/resolv.conf` of its own, which nobody else sees.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use pds::random::{self, SystemRandom};
use tempfile::TempDir;
use tokio::net::{TcpListener, UdpSocket};

use super::NameServer;

/// Mounts both files in a mount namespace of its own, then becomes the command.
const ENTER: &str = r#"exec unshare --mount /bin/sh -c 'mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/resolv.conf" /etc/resolv.conf && exec "$@"' "$@""#;

/// A machine on which some names lead to one loopback address, where a web site may be, and whose name server is the test's.
pub(crate) struct Machine {
    files: TempDir,
    address: IpAddr,
    /// Whom the machine asks for other records.
    pub(crate) names: NameServer,
}

impl Machine {
    /// None, said loudly, where it cannot be made, for which root is needed; an error where `CI` is set.
    #[expect(clippy::disallowed_methods, reason = "a knob of the tests, not of the server")]
    pub(crate) async fn knowing(hosts: &[&str]) -> Option<Machine> {
        match Machine::make(hosts).await {
            Ok(machine) => Some(machine),
            Err(reason) => {
                assert!(std::env::var_os("CI").is_none(), "no machine of its own: {reason}");
                println!("NOT RUN: a machine with names of its own needs Linux and root: {reason}");
                None
            }
        }
    }

    async fn make(hosts: &[&str]) -> Result<Machine, String> {
        // Tests that run at the same time have addresses of their own.
        let [a, b, c]: [u8; 3] = random::bytes(&SystemRandom);
        let address = IpAddr::V4(Ipv4Addr::new(127, a | 1, b, c | 1));
        let socket = UdpSocket::bind((address, 53))
            .await
            .map_err(|error| error.to_string())?;
        let files = tempfile::tempdir().unwrap();
        let lines = format!("127.0.0.1 localhost\n{address} {}\n", hosts.join(" "));
        fs::write(files.path().join("hosts"), lines).unwrap();
        fs::write(files.path().join("resolv.conf"), format!("nameserver {address}\n")).unwrap();
        let machine = Machine {
            files,
            address,
            names: NameServer::on(socket),
        };
        let launcher = machine.launcher();
        let tried = Command::new(&launcher[0]).args(&launcher[1..]).arg("true").output();
        let tried = tried.map_err(|error| error.to_string())?;
        if !tried.status.success() {
            return Err(String::from_utf8_lossy(&tried.stderr).into_owned());
        }
        Ok(machine)
    }

    /// The command that starts a server there.
    pub(crate) fn launcher(&self) -> Vec<String> {
        let files = self.files.path().display().to_string();
        ["/bin/sh", "-c", ENTER, "sh", &files].map(str::to_owned).to_vec()
    }

    /// Where the hosts' web site is to listen.
    pub(crate) async fn web(&self) -> TcpListener {
        TcpListener::bind((self.address, 443)).await.unwrap()
    }
}
