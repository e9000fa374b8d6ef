//! What verbs make of whatever answers on the server's address.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::TestApp;
use crate::harness::ADMIN_PASSWORD;

fn pds(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let settings: BTreeMap<_, _> = settings.iter().copied().collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pds"));
    command.args(arguments).env_clear().envs(settings).output().unwrap()
}

/// Something on `address` that answers every request with this body; returns its port.
async fn answers(address: &str, body: &'static str) -> String {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let _ = client.read(&mut [0; 4096]).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
    });
    port.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_pds_is_told_from_one() {
    for body in ["<h1>It works!</h1>", "{}", ""] {
        let port = answers("127.0.0.1", body).await;
        let listed = pds(
            &["account", "list", "--url", &format!("http://127.0.0.1:{port}")],
            &[("PDS_ADMIN_PASSWORD", ADMIN_PASSWORD)],
        );
        assert_eq!(listed.status.code(), Some(3), "{body}");
        assert!(String::from_utf8_lossy(&listed.stderr).contains("is no PDS"), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_on_this_machine_is_asked_where_it_listens() {
    let port = answers("127.0.0.2", "{}").await;
    for (address, works) in [("127.0.0.2", true), ("0.0.0.0", false)] {
        let asked = pds(&["healthcheck"], &[("PDS_BIND_ADDRESS", address), ("PDS_PORT", &port)]);
        assert_eq!(asked.status.success(), works, "{address}");
    }
    let misread = pds(&["healthcheck"], &[("PDS_BIND_ADDRESS", "here")]);
    assert!(String::from_utf8_lossy(&misread.stderr).contains("PDS_BIND_ADDRESS"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_is_printed_for_those_who_ask() {
    let app = TestApp::start().await;
    let port = app.api.address().rsplit(':').next().unwrap().to_owned();
    let settings = [("PDS_PORT", port.as_str())];
    let ready = pds(&["healthcheck", "--ready"], &settings);
    assert!(ready.status.success());
    assert_eq!(String::from_utf8(ready.stdout).unwrap(), "{\"status\":\"ok\"}\n");
    assert!(pds(&["healthcheck"], &settings).stdout.is_empty());
}
