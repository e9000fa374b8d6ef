//! Clients that hold connections without using them, and those that abuse HTTP/2 (catalogue A7, A14).

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::{Answer, TestApp};

const SLOW: usize = 200;
/// Others wait no longer for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a flood may cost the server, which takes far more of it from the wire.
const MOST_BYTES: u64 = 32 << 20;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Types and flags of frames, and error codes (RFC 9113 §6, §7).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const CANCEL: [u8; 4] = [0, 0, 0, 8];
const ENHANCE_YOUR_CALM: [u8; 4] = [0, 0, 0, 11];
/// `GET http://pds.test/`, in indices of the static table and one literal (RFC 7541).
const GET: &[u8] = b"\x82\x84\x86\x41\x08pds.test";
/// A field that is kept in no table: `x: y`.
const FIELD: &[u8] = b"\x00\x01x\x01y";
/// A frame's payload is at most so large unless the other side says more.
const MAX_PAYLOAD: usize = 16_384;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Payloads of the frames of a kind, of whole frames as they came.
fn payloads(mut bytes: &[u8], wanted: u8) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some((payload, next)) = rest.split_at_checked(length) else {
            break;
        };
        if *kind == wanted {
            found.push(payload);
        }
        bytes = next;
    }
    found
}

/// An HTTP/2 connection whose answers are collected until it ends.
struct Flood {
    sending: tokio::net::tcp::OwnedWriteHalf,
    answers: JoinHandle<Vec<u8>>,
}

impl Flood {
    async fn begin(app: &TestApp) -> Flood {
        let (mut reading, mut sending) = TcpStream::connect(app.api.address()).await.unwrap().into_split();
        sending.write_all(PREFACE).await.unwrap();
        sending.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        let answers = tokio::spawn(async move {
            let (mut answers, mut piece) = (Vec::new(), [0; 4_096]);
            while let Ok(length @ 1..) = reading.read(&mut piece).await {
                answers.extend_from_slice(&piece[..length]);
            }
            answers
        });
        Flood { sending, answers }
    }

    /// Sends until the server has enough. Says for what reason it ended the connection.
    async fn pour(mut self, pieces: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
        for piece in pieces {
            if self.sending.write_all(&piece).await.is_err() {
                break;
            }
        }
        let answers = tokio::time::timeout(PATIENCE, self.answers).await;
        let answers = answers.expect("the server ends the connection").unwrap();
        let reasons = payloads(&answers, GO_AWAY);
        reasons.last().map(|reason| reason[4..8].to_vec()).unwrap_or_default()
    }
}

async fn is_served(app: &TestApp) {
    let request = app.api.get("com.atproto.server.describeServer", &[]).timeout(PATIENCE);
    Answer::to(request).await.unwrap().ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_taken_back_at_once_end_the_connection() {
    let app = TestApp::start().await;
    is_served(&app).await;
    let before = app.process().memory();
    let pairs = (0..1_000_u32).map(|batch| {
        let streams = (0..100).map(|number| 2 * (batch * 100 + number) + 1);
        streams
            .flat_map(|stream| {
                let request = frame(HEADERS, END_STREAM | END_HEADERS, stream, GET);
                [request, frame(RST_STREAM, 0, stream, &CANCEL)].concat()
            })
            .collect()
    });
    let reason = Flood::begin(&app).await.pour(pairs).await;
    assert_eq!(reason, ENHANCE_YOUR_CALM);
    is_served(&app).await;
    let grown = app.process().memory().saturating_sub(before);
    assert!(grown < MOST_BYTES, "{grown} bytes more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_without_end_end_the_connection() {
    let app = TestApp::start().await;
    is_served(&app).await;
    let before = app.process().memory();
    let fields = FIELD.repeat(MAX_PAYLOAD / FIELD.len());
    let begin = std::iter::once(frame(HEADERS, END_STREAM, 1, GET));
    let goes_on = (0..8_000).map(|_| frame(CONTINUATION, 0, 1, &fields));
    let reason = Flood::begin(&app).await.pour(begin.chain(goes_on)).await;
    assert_ne!(reason, [0; 4], "no error");
    is_served(&app).await;
    let grown = app.process().memory().saturating_sub(before);
    assert!(grown < MOST_BYTES, "{grown} bytes more");
}

/// A connection on which the first part of a request was sent.
async fn begun(app: &TestApp, part: &str) -> TcpStream {
    let mut stream = TcpStream::connect(app.api.address()).await.unwrap();
    stream.write_all(part.as_bytes()).await.unwrap();
    stream
}

/// The first line of the answer, once the rest was sent.
async fn finished(mut stream: TcpStream, rest: &str) -> String {
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer);
    text.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_keep_nobody_waiting_and_are_answered_in_the_end() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let head = "GET /xrpc/com.atproto.server.describeServer HTTP/1.1\r\nHost: pds.test\r\n";
    let body = r#"{"identifier": "nobody.test", "password": "x"}"#;
    let post = format!(
        "POST /xrpc/com.atproto.server.createSession HTTP/1.1\r\nHost: pds.test\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        body.len(),
        &body[..10]
    );
    let (mut heads, mut bodies) = (Vec::new(), Vec::new());
    for _ in 0..SLOW {
        heads.push(begun(&app, head).await);
        bodies.push(begun(&app, &post).await);
    }
    for number in 0..20 {
        is_served(&app).await;
        let record = serde_json::json!({"number": number});
        alice.create("com.example.note", &format!("n{number}"), &record).await;
    }
    for stream in heads {
        assert_eq!(finished(stream, "Connection: close\r\n\r\n").await, "HTTP/1.1 200 OK");
    }
    let last = bodies.pop().unwrap();
    assert_eq!(finished(last, &body[10..]).await, "HTTP/1.1 401 Unauthorized");
}
