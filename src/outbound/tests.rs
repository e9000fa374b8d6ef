//! What a hostile address can try (server-side request forgery, slow and endless answers).

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::ErrorKind;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::checked_names::CheckedNames;
use super::{Dns, FakeDns, FetchError, FetchLimits, Fetched, GuardedClient, Reach, Refusal};

const LIMITS: FetchLimits = FetchLimits {
    max_bytes: 1_000,
    deadline: Duration::from_mins(1),
};
const SHORT: FetchLimits = FetchLimits {
    deadline: Duration::from_millis(50),
    ..LIMITS
};

/// A host that must not be spoken to.
struct Target(StdListener);

impl Target {
    fn listen() -> Target {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Target(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    fn assert_untouched(&self) {
        assert_eq!(self.0.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

fn client(reach: Reach, dns: FakeDns) -> GuardedClient {
    GuardedClient::new(reach, Arc::new(dns)).unwrap()
}

async fn get(client: &GuardedClient, address: &str) -> Result<Fetched, FetchError> {
    client.get(address, "*/*", LIMITS).await
}

#[tokio::test]
async fn private_addresses_get_no_packet_however_they_are_named() {
    let target = Target::listen();
    let port = target.port();
    let local = format!("127.0.0.1:{port}");
    let mixed = ["1.1.1.1:443", local.as_str()];
    let dns = FakeDns::default()
        .host("private.example.com", &[&[&local]])
        .host("mixed.example.com", &[&mixed])
        .host("mapped.example.com", &[&[&format!("[::ffff:127.0.0.1]:{port}")]])
        .host("nat64.example.com", &[&[&format!("[64:ff9b::7f00:1]:{port}")]])
        .host("cgnat.example.com", &[&["100.64.0.1:443"]])
        .host("metadata.example.com", &[&["169.254.169.254:443"]]);
    let client = client(Reach::Public, dns);
    for host in [
        "private.example.com",
        "mixed.example.com",
        "mapped.example.com",
        "nat64.example.com",
        "cgnat.example.com",
        "metadata.example.com",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "[::ffff:7f00:1]",
    ] {
        let refused = Err(FetchError::Refused(Refusal::Address));
        for address in [format!("https://{host}/"), format!("https://{host}:{port}/")] {
            assert_eq!(get(&client, &address).await.map(|_| ()), refused, "{address}");
        }
    }
    for address in [
        format!("http://127.0.0.1:{port}"),
        format!("https://a@127.0.0.1:{port}"),
    ] {
        assert!(
            matches!(get(&client, &address).await, Err(FetchError::Refused(_))),
            "{address}"
        );
    }
    target.assert_untouched();
}

#[tokio::test]
async fn a_name_is_checked_each_time_it_is_resolved() {
    let dns = FakeDns::default().host("rebind.example.com", &[&["1.1.1.1:0"], &["127.0.0.1:0"]]);
    let names = CheckedNames {
        dns: Arc::new(dns),
        reach: Reach::Public,
    };
    let mut found = names.resolve("rebind.example.com".parse().unwrap()).await.unwrap();
    assert_eq!(found.next(), Some("1.1.1.1:0".parse().unwrap()));
    let refused = names
        .resolve("rebind.example.com".parse().unwrap())
        .await
        .err()
        .unwrap();
    assert_eq!(refused.downcast_ref(), Some(&Refusal::Address));
}

#[tokio::test]
async fn unknown_hosts_are_unreachable() {
    let client = client(Reach::Public, FakeDns::default());
    let outcome = get(&client, "https://nowhere.example.com").await;
    assert_eq!(outcome.map(|_| ()), Err(FetchError::Unreachable));
}

/// A server on which each connection gets what `answer` writes, once its request has begun.
async fn server<F, W>(answer: F) -> String
where
    F: Fn(TcpStream) -> W + Send + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut begin = [0; 16];
            stream.read_exact(&mut begin).await.unwrap();
            tokio::spawn(answer(stream));
        }
    });
    address.to_string()
}

/// A server that writes `first`, then `rest` for ever.
async fn endless(first: &'static str, rest: &'static str) -> String {
    server(move |mut stream| async move {
        let _ = stream.write_all(first.as_bytes()).await;
        while stream.write_all(rest.as_bytes()).await.is_ok() {}
    })
    .await
}

#[tokio::test]
async fn redirects_are_answers_not_ways() {
    let target = Target::listen();
    let location = format!("http://127.0.0.1:{}/", target.port());
    let address = server(move |mut stream| {
        let answer = format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        async move { stream.write_all(answer.as_bytes()).await.unwrap() }
    })
    .await;
    let client = client(Reach::Anywhere, FakeDns::default());
    assert_eq!(get(&client, &format!("http://{address}/")).await.unwrap().status, 302);
    target.assert_untouched();
}

#[tokio::test]
async fn answers_are_bounded_in_bytes() {
    let client = client(Reach::Anywhere, FakeDns::default());
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n";
    let cases = [
        (
            endless("HTTP/1.1 200 OK\r\n\r\n", "xxxxxxxxxx").await,
            FetchError::TooLarge,
        ),
        (
            server(move |stream| hold(stream, announced)).await,
            FetchError::TooLarge,
        ),
        (
            endless("HTTP/1.1 200 OK\r\n", "a: bbbbbbbbbbbbbbbbbbbbbbbb\r\n").await,
            FetchError::Broken,
        ),
        (endless("nonsense", "nonsense").await, FetchError::Broken),
    ];
    for (address, expected) in cases {
        assert_eq!(get(&client, &format!("http://{address}/")).await.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn answers_are_bounded_in_time() {
    let client = client(Reach::Anywhere, FakeDns::default());
    for (scheme, begin) in [("http", ""), ("http", "HTTP/1.1 200 OK\r\n\r\nab"), ("https", "")] {
        let address = server(move |stream| hold(stream, begin)).await;
        let outcome = client.get(&format!("{scheme}://{address}/"), "*/*", SHORT).await;
        assert_eq!(outcome.unwrap_err(), FetchError::Timeout);
    }
}

async fn hold(mut stream: TcpStream, text: &'static str) {
    let _ = stream.write_all(text.as_bytes()).await;
    // Until the client hangs up.
    while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
}

#[tokio::test]
async fn good_answers_arrive_whole() {
    let client = client(Reach::Anywhere, FakeDns::default());
    let address = server(|mut stream| async move {
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello";
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let fetched = get(&client, &format!("http://{address}/")).await.unwrap();
    assert_eq!(
        (fetched.status.as_u16(), fetched.body.as_slice()),
        (200, b"hello".as_slice())
    );
    assert_eq!(fetched.headers["content-type"], "text/plain");
}

#[tokio::test]
async fn the_fake_dns_counts_and_answers() {
    let dns = FakeDns::default().text("_atproto.a.test", &["did=did:plc:a"]);
    assert_eq!(dns.texts("_atproto.a.test").await.unwrap(), ["did=did:plc:a"]);
    assert_eq!(dns.asked(), 1);
}
