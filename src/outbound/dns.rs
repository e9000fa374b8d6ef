//! The Domain Name System as far as this server asks it.

use std::net::SocketAddr;

use futures_util::future::BoxFuture;

/// Asks the DNS.
pub trait Dns: Send + Sync + 'static {
    /// The addresses of a host, each with port 0, which means the usual one. Empty if there are none.
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<SocketAddr>, DnsError>>;

    /// The TXT records of a name, the strings of each joined. Empty if there are none.
    fn texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>>;

    /// The TXT records of a name as other name servers know them, where there are some to ask (`PDS_HANDLE_BACKUP_NAMESERVERS`).
    fn backup_texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>>;
}

/// The DNS could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the DNS lookup failed: {0}")]
pub struct DnsError(pub String);

#[cfg(test)]
pub(crate) mod fake {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::HashMap;
    use std::net::SocketAddr;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::BoxFuture;

    use super::{Dns, DnsError};

    /// A DNS that knows what it was told and counts what it is asked.
    #[derive(Default)]
    pub(crate) struct FakeDns {
        addresses: Mutex<HashMap<String, Vec<Vec<SocketAddr>>>>,
        texts: Mutex<HashMap<String, Vec<String>>>,
        backup: Mutex<HashMap<String, Vec<String>>>,
        asked: AtomicUsize,
    }

    impl FakeDns {
        /// The addresses, each with a port, that a host has, one list for each time it is asked; the last one stays.
        pub(crate) fn host(self, host: &str, answers: &[&[&str]]) -> Self {
            let parse = |text: &&str| text.parse().unwrap();
            let answers = answers
                .iter()
                .rev()
                .map(|list| list.iter().map(parse).collect())
                .collect();
            self.addresses.lock().unwrap().insert(host.to_owned(), answers);
            self
        }

        pub(crate) fn text(self, name: &str, texts: &[&str]) -> Self {
            self.set_text(name, texts);
            self
        }

        pub(crate) fn set_text(&self, name: &str, texts: &[&str]) {
            let texts = texts.iter().map(ToString::to_string).collect();
            self.texts.lock().unwrap().insert(name.to_owned(), texts);
        }

        pub(crate) fn backup_text(self, name: &str, texts: &[&str]) -> Self {
            let texts = texts.iter().map(ToString::to_string).collect();
            self.backup.lock().unwrap().insert(name.to_owned(), texts);
            self
        }

        /// How often TXT records were asked for.
        pub(crate) fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    impl Dns for FakeDns {
        fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<SocketAddr>, DnsError>> {
            let mut hosts = self.addresses.lock().unwrap();
            let answers = hosts.get_mut(host);
            let answer = answers.and_then(|answers| match answers.len() {
                0 => None,
                1 => answers.first().cloned(),
                _ => answers.pop(),
            });
            Box::pin(std::future::ready(Ok(answer.unwrap_or_default())))
        }

        fn texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let texts = self.texts.lock().unwrap().get(name).cloned();
            Box::pin(std::future::ready(Ok(texts.unwrap_or_default())))
        }

        fn backup_texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
            let texts = self.backup.lock().unwrap().get(name).cloned();
            Box::pin(std::future::ready(Ok(texts.unwrap_or_default())))
        }
    }
}
