//! Readers of the firehose: they count messages and throw them away.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::Error;
use crate::process::pause;

/// How long the last messages may take.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);
const BUFFER_BYTES: usize = 64 << 10;
/// The length field of a frame (RFC 6455 §5.2): these values say that the length follows in 2 or 8 bytes.
const TWO_BYTES: u8 = 126;
const EIGHT_BYTES: u8 = 127;
/// Opcode of a message of bytes, with the bit of its last frame.
const MESSAGE: u8 = 0x82;

/// Open connections; they are closed when dropped.
pub(crate) struct Subscribers {
    messages: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Subscribers {
    /// Subscribes to what comes from now on.
    pub(crate) async fn open(server: SocketAddr, count: usize) -> Result<Subscribers, Error> {
        let messages = Arc::new(AtomicU64::new(0));
        let mut tasks = Vec::with_capacity(count);
        for _ in 0..count {
            let stream = subscribe(server).await?;
            let messages = Arc::clone(&messages);
            tasks.push(tokio::spawn(async move {
                // The server closes the connection of a reader that is too slow: the count tells.
                let _ = read(stream, &messages).await;
            }));
        }
        Ok(Subscribers { messages, tasks })
    }

    /// Messages that have come, at all readers together, once they are as many as expected or no more come.
    pub(crate) async fn messages(&self, expected: u64) -> u64 {
        let began = Instant::now();
        while self.messages.load(Ordering::Relaxed) < expected && began.elapsed() < PATIENCE {
            pause(POLL).await;
        }
        self.messages.load(Ordering::Relaxed)
    }
}

impl Drop for Subscribers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn subscribe(server: SocketAddr) -> Result<BufReader<TcpStream>, Error> {
    let stream = TcpStream::connect(server).await?;
    let mut stream = BufReader::with_capacity(BUFFER_BYTES, stream);
    let request = "GET /xrpc/com.atproto.sync.subscribeRepos HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    if head.starts_with(b"HTTP/1.1 101") {
        Ok(stream)
    } else {
        Err(format!("subscribeRepos: {}", String::from_utf8_lossy(&head)).into())
    }
}

async fn read(mut stream: BufReader<TcpStream>, messages: &AtomicU64) -> Result<(), Error> {
    let mut payload = Vec::new();
    loop {
        let kind = stream.read_u8().await?;
        let length = match stream.read_u8().await? {
            TWO_BYTES => stream.read_u16().await?.into(),
            EIGHT_BYTES => stream.read_u64().await?,
            length => length.into(),
        };
        payload.resize(usize::try_from(length)?, 0);
        stream.read_exact(&mut payload).await?;
        if kind == MESSAGE {
            messages.fetch_add(1, Ordering::Relaxed);
        }
    }
}
