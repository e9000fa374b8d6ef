//! A name server that knows the TXT records it was told (RFC 1035) and no others, by UDP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

/// Type TXT and class IN, as a question ends and an answer begins.
const TXT_IN: [u8; 4] = [0, 16, 0, 1];
/// Strings of a TXT record are at most so long.
const MAX_STRING: usize = 255;

type Records = Arc<Mutex<HashMap<String, Option<Vec<String>>>>>;

/// A running name server; ends with the test.
pub(crate) struct NameServer {
    address: String,
    records: Records,
}

impl NameServer {
    pub(crate) async fn start() -> NameServer {
        NameServer::on(UdpSocket::bind("127.0.0.1:0").await.unwrap())
    }

    /// A name server that is asked through this socket.
    pub(crate) fn on(socket: UdpSocket) -> NameServer {
        let server = NameServer {
            address: socket.local_addr().unwrap().to_string(),
            records: Arc::default(),
        };
        let records = Arc::clone(&server.records);
        tokio::spawn(async move {
            let mut buffer = [0; 1_500];
            while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
                if let Some(answer) = answer(&buffer[..length], &records) {
                    let _ = socket.send_to(&answer, client).await;
                }
            }
        });
        server
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The TXT records of a name; nobody else's are known.
    pub(crate) fn set(&self, name: &str, texts: &[&str]) {
        let texts = texts.iter().map(|&text| text.to_owned()).collect();
        self.records.lock().unwrap().insert(name.to_owned(), Some(texts));
    }

    /// Questions for a name get no answer from now on.
    pub(crate) fn ignore(&self, name: &str) {
        self.records.lock().unwrap().insert(name.to_owned(), None);
    }
}

/// The answer to a question, if there is to be one.
fn answer(query: &[u8], records: &Records) -> Option<Vec<u8>> {
    let (name, end) = question(query)?;
    let known = records.lock().unwrap().get(&name).cloned();
    let is_for_text = query[end - 4..end] == TXT_IN;
    let texts = match known {
        Some(texts) if is_for_text => texts?,
        _ => Vec::new(),
    };
    let no_such_name = if texts.is_empty() { 3 } else { 0 };
    let mut answer = query[..2].to_vec();
    answer.extend([
        0x81,
        0x80 | no_such_name,
        0,
        1,
        0,
        u8::try_from(texts.len()).ok()?,
        0,
        0,
        0,
        0,
    ]);
    answer.extend(&query[12..end]);
    for text in texts {
        let strings = text.as_bytes().chunks(MAX_STRING.min(text.len() / 2 + 1));
        let data: Vec<u8> = strings
            .flat_map(|string| [&[u8::try_from(string.len()).unwrap_or(0)], string].concat())
            .collect();
        // The name is the question's; it may be kept for a minute.
        answer.extend([0xc0, 12]);
        answer.extend(TXT_IN);
        answer.extend([0, 0, 0, 60]);
        answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}

/// The name that is asked for, and where the question ends.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_lowercase());
        at += length;
    }
    (query.len() >= at + 4).then(|| (labels.join("."), at + 4))
}
