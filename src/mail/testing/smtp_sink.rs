//! A mail server for tests, these and the black-box ones: takes every mail, or behaves badly, and keeps what it was sent.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How a mail server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SmtpMood {
    /// Takes all mail, and everybody may log in.
    Welcoming,
    /// It takes mail.
    Good,
    /// It asks to come back later.
    Busy,
    /// It refuses every recipient.
    Refusing,
    /// It opens the connection and says nothing.
    Silent,
}

/// A mail as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// Headers and body, its lines joined again where the encoding had broken them.
    pub(crate) text: String,
}

impl Received {
    /// The code in it.
    pub(crate) fn code(&self) -> Option<String> {
        let is_letter = |byte: u8| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte);
        let is_code = |word: &[u8]| word[5] == b'-' && word[..5].iter().chain(&word[6..]).all(|byte| is_letter(*byte));
        let found = self.text.as_bytes().windows(11).find(|word| is_code(word))?;
        Some(String::from_utf8_lossy(found).into_owned())
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let prefix = format!("{}:", name.to_ascii_lowercase());
        let headers = self.text.split("\r\n\r\n").next()?;
        let line = headers
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with(&prefix))?;
        Some(line[prefix.len()..].trim().to_owned())
    }
}

/// A running mail server; ends with the test.
#[derive(Clone)]
pub(crate) struct SmtpSink {
    address: String,
    mood: Arc<Mutex<SmtpMood>>,
    mails: watch::Sender<Vec<Received>>,
}

impl SmtpSink {
    pub(crate) async fn start() -> SmtpSink {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = SmtpSink {
            address: listener.local_addr().unwrap().to_string(),
            mood: Arc::new(Mutex::new(SmtpMood::Good)),
            mails: watch::Sender::new(Vec::new()),
        };
        let server = sink.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move { server.talk(socket).await });
            }
        });
        sink
    }

    /// `smtp://127.0.0.1:port`.
    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    pub(crate) fn set(&self, mood: SmtpMood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// All mail so far.
    pub(crate) fn mails(&self) -> Vec<Received> {
        self.mails.borrow().clone()
    }

    /// The mail with a number, counted from 0, as soon as it has come.
    pub(crate) async fn mail(&self, index: usize) -> Received {
        let mut mails = self.mails.subscribe();
        let patience = std::time::Duration::from_secs(20);
        let come = tokio::time::timeout(patience, mails.wait_for(|mails| mails.len() > index)).await;
        come.expect("a mail comes in time").unwrap()[index].clone()
    }

    async fn talk(&self, socket: TcpStream) -> Option<()> {
        let mood = *self.mood.lock().unwrap();
        let (reader, mut writer) = socket.into_split();
        let mut lines = BufReader::new(reader);
        if mood == SmtpMood::Silent {
            // Until the other side gives up.
            let _ = lines.read_to_end(&mut Vec::new()).await;
            return None;
        }
        writer.write_all(b"220 sink\r\n").await.ok()?;
        let (mut from, mut to, mut line) = (String::new(), Vec::new(), String::new());
        loop {
            line.clear();
            if lines.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let verb = line.to_ascii_uppercase();
            let answer = if let Some(path) = verb.starts_with("MAIL FROM:").then(|| address(&line)) {
                from = path;
                "250 ok"
            } else if verb.starts_with("RCPT TO:") {
                to.push(address(&line));
                match mood {
                    SmtpMood::Busy => "451 later",
                    SmtpMood::Refusing => "550 no",
                    SmtpMood::Good | SmtpMood::Silent | SmtpMood::Welcoming => "250 ok",
                }
            } else if verb.starts_with("DATA") {
                writer.write_all(b"354 go on\r\n").await.ok()?;
                let text = data(&mut lines).await?;
                let received = Received {
                    from: from.clone(),
                    to: std::mem::take(&mut to),
                    text,
                };
                self.mails.send_modify(|mails| mails.push(received));
                "250 ok"
            } else if verb.starts_with("EHLO") && mood == SmtpMood::Welcoming {
                "250-sink\r\n250 AUTH PLAIN"
            } else if verb.starts_with("AUTH") && mood == SmtpMood::Welcoming {
                "235 come in"
            } else if verb.starts_with("QUIT") {
                "221 bye"
            } else {
                "250 ok"
            };
            writer.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
        }
    }
}

/// What stands in `<…>`.
fn address(line: &str) -> String {
    let after = line.split_once('<').map_or("", |(_, after)| after);
    after.split('>').next().unwrap_or_default().to_owned()
}

async fn data(lines: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> Option<String> {
    let (mut text, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        if lines.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line == ".\r\n" {
            return Some(text.replace("=\r\n", ""));
        }
        text.push_str(&line);
    }
}
