//! A mail server for tests, these and the black-box ones: takes every mail, or behaves badly, and keeps what it was sent.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// How a mail server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SmtpMood {
    /// It takes mail.
    Good,
    /// It asks to come back later.
    Busy,
    /// It refuses every recipient.
    Refusing,
    /// It refuses the sender.
    RefusingSender,
    /// It takes no mail for others from us.
    RefusingRelay,
    /// It refuses what is written.
    RefusingText,
    /// It opens the connection and says nothing.
    Silent,
}

/// When connections to it are encrypted.
#[derive(Clone)]
pub(crate) enum SmtpTls {
    Never,
    /// When the client says STARTTLS.
    Offered(TlsAcceptor),
    FromTheStart(TlsAcceptor),
}

/// Who may send.
#[derive(Clone, Copy)]
pub(crate) enum SmtpLogin {
    /// Everybody.
    NotNeeded,
    /// Who logs in by this mechanism, `PLAIN` or `LOGIN`, as the user with the password.
    By(&'static str, &'static str, &'static str),
}

/// A mail as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// The name by which the sender greeted.
    pub(crate) hello: String,
    /// Headers and body, its lines joined again where the encoding had broken them.
    pub(crate) text: String,
    /// Whether it came encrypted.
    pub(crate) encrypted: bool,
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
    port: u16,
    tls: SmtpTls,
    login: SmtpLogin,
    mood: Arc<Mutex<SmtpMood>>,
    mails: watch::Sender<Vec<Received>>,
}

impl SmtpSink {
    /// One that everybody may send by, in the clear.
    pub(crate) async fn start() -> SmtpSink {
        SmtpSink::start_with(SmtpTls::Never, SmtpLogin::NotNeeded).await
    }

    pub(crate) async fn start_with(tls: SmtpTls, login: SmtpLogin) -> SmtpSink {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = SmtpSink {
            port: listener.local_addr().unwrap().port(),
            tls,
            login,
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
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// It listens on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.port
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

    async fn talk(&self, mut socket: TcpStream) -> Option<()> {
        let mood = *self.mood.lock().unwrap();
        if mood == SmtpMood::Silent {
            // Until the other side gives up.
            let _ = socket.read_to_end(&mut Vec::new()).await;
            return None;
        }
        let mut talk = Talk {
            line: BufStream::new(Box::new(socket)),
            server: self,
            mood,
            encrypted: false,
            logged_in: matches!(self.login, SmtpLogin::NotNeeded),
            hello: String::new(),
            from: String::new(),
            to: Vec::new(),
        };
        if let SmtpTls::FromTheStart(acceptor) = &self.tls {
            talk.encrypt(acceptor).await?;
        }
        talk.say("220 sink").await?;
        loop {
            let line = talk.hear().await?;
            talk.answer(line.trim_end()).await?;
        }
    }
}

trait Line: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Line for T {}

/// One client.
struct Talk<'s> {
    line: BufStream<Box<dyn Line>>,
    server: &'s SmtpSink,
    mood: SmtpMood,
    encrypted: bool,
    logged_in: bool,
    hello: String,
    from: String,
    to: Vec<String>,
}

impl Talk<'_> {
    async fn answer(&mut self, line: &str) -> Option<()> {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => {
                line.get(5..).unwrap_or_default().clone_into(&mut self.hello);
                return self.greet().await;
            }
            "STARTTLS" => return self.start_tls().await,
            "AUTH" => return self.log_in(line).await,
            "DATA" => return self.take().await,
            "MAIL" if !self.logged_in => "530 5.7.0 log in first",
            "MAIL" if self.mood == SmtpMood::RefusingSender => "550 5.7.1 not as that sender",
            "MAIL" => {
                self.from = address(line);
                "250 ok"
            }
            "RCPT" => {
                self.to.push(address(line));
                match self.mood {
                    SmtpMood::Busy => "451 later",
                    SmtpMood::Refusing => "550 5.1.1 nobody here",
                    SmtpMood::RefusingRelay => "554 5.7.1 relaying denied",
                    _ => "250 ok",
                }
            }
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        self.say(answer).await
    }

    async fn greet(&mut self) -> Option<()> {
        self.say("250-sink").await?;
        let is_offered = matches!(self.server.tls, SmtpTls::Offered(_)) && !self.encrypted;
        match self.server.login {
            _ if is_offered => self.say("250 STARTTLS").await,
            SmtpLogin::By(mechanism, ..) => self.say(&format!("250 AUTH {mechanism}")).await,
            SmtpLogin::NotNeeded => self.say("250 8BITMIME").await,
        }
    }

    async fn start_tls(&mut self) -> Option<()> {
        match &self.server.tls {
            SmtpTls::Offered(acceptor) => {
                self.say("220 go on").await?;
                self.encrypt(&acceptor.clone()).await
            }
            _ => self.say("502 no").await,
        }
    }

    async fn encrypt(&mut self, acceptor: &TlsAcceptor) -> Option<()> {
        let (nobody, _) = tokio::io::duplex(1);
        let plain = std::mem::replace(&mut self.line, BufStream::new(Box::new(nobody))).into_inner();
        self.line = BufStream::new(Box::new(acceptor.accept(plain).await.ok()?));
        self.encrypted = true;
        Some(())
    }

    async fn log_in(&mut self, line: &str) -> Option<()> {
        let SmtpLogin::By(mechanism, user, password) = self.server.login else {
            return self.say("502 no").await;
        };
        let mut words = line.split_whitespace().skip(1);
        let given = match (words.next()?, words.next()) {
            ("PLAIN", Some(response)) => decode(response).split('\0').skip(1).map(str::to_owned).collect(),
            ("LOGIN", None) => {
                let mut answers = Vec::new();
                for question in ["Username:", "Password:"] {
                    self.say(&format!("334 {}", BASE64_STANDARD.encode(question))).await?;
                    answers.push(decode(self.hear().await?.trim()));
                }
                answers
            }
            _ => Vec::new(),
        };
        self.logged_in = line.contains(mechanism) && given == [user, password];
        let answer = if self.logged_in {
            "235 welcome"
        } else {
            "535 5.7.8 wrong"
        };
        self.say(answer).await
    }

    async fn take(&mut self) -> Option<()> {
        self.say("354 go on").await?;
        let mut text = String::new();
        loop {
            match self.hear().await?.as_str() {
                ".\r\n" => break,
                line => text.push_str(line),
            }
        }
        if self.mood == SmtpMood::RefusingText {
            return self.say("554 5.7.1 looks like spam").await;
        }
        let received = Received {
            from: self.from.clone(),
            hello: self.hello.clone(),
            to: std::mem::take(&mut self.to),
            text: text.replace("=\r\n", ""),
            encrypted: self.encrypted,
        };
        self.server.mails.send_modify(|mails| mails.push(received));
        self.say("250 ok").await
    }

    async fn say(&mut self, line: &str) -> Option<()> {
        self.line.write_all(format!("{line}\r\n").as_bytes()).await.ok()?;
        self.line.flush().await.ok()
    }

    async fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.line.read_line(&mut line).await.ok()?;
        (length > 0).then_some(line)
    }
}

/// What stands in `<…>`.
fn address(line: &str) -> String {
    let after = line.split_once('<').map_or("", |(_, after)| after);
    after.split('>').next().unwrap_or_default().to_owned()
}

fn decode(text: &str) -> String {
    let bytes = BASE64_STANDARD.decode(text).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}
