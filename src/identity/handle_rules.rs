//! Which handles may be chosen on this server ([handle specification](https://atproto.com/specs/handle)).

use std::collections::HashSet;
use std::sync::LazyLock;

use atproto_data::Handle;

use super::slurs;

/// Top-level domains that are no part of the public DNS.
const DISALLOWED_TLDS: [&str; 8] = [
    "local",
    "arpa",
    "invalid",
    "localhost",
    "internal",
    "example",
    "alt",
    "onion",
];

/// Length of what somebody chooses in front of a service domain, in characters.
const MIN_NAME: usize = 3;
const MAX_NAME: usize = 18;

/// How a label with letters beyond ASCII begins (RFC 5890).
const PUNYCODE: &str = "xn--";

/// Names that would be mistaken for somebody else, one a line.
static RESERVED: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("reserved_handles.txt").lines().collect());

/// The rules of this server.
#[derive(Clone, Debug)]
pub struct HandleRules {
    hostname: String,
    /// Lower case, each with its leading dot, the longest first.
    service_domains: Vec<String>,
}

/// Why a handle may not be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleRefused {
    /// Its top-level domain is no public one.
    #[error("Handle TLD is invalid or disallowed")]
    Tld,
    /// There are more labels in front of the service domain than one, or letters beyond ASCII in Punycode.
    #[error("Invalid characters in handle")]
    Characters,
    /// The name in front of the service domain is too short.
    #[error("Handle too short")]
    TooShort,
    /// The name in front of the service domain is too long.
    #[error("Handle too long")]
    TooLong,
    /// It is, or has in it, a word of abuse.
    #[error("Inappropriate language in handle")]
    Language,
    /// Nobody may have it.
    #[error("Reserved handle")]
    Reserved,
    /// A deleted account had it until lately; an administrator may give it away.
    #[error("Handle belonged to a deleted account until lately")]
    KeptBack,
    /// It is not under a service domain.
    #[error("Not a supported handle domain")]
    UnsupportedDomain,
}

impl HandleRules {
    /// The rules of the server `hostname` that gives handles under `service_domains`, each with its leading dot.
    pub fn new(hostname: &str, service_domains: &[String]) -> HandleRules {
        let mut service_domains: Vec<_> = service_domains
            .iter()
            .map(|domain| domain.to_ascii_lowercase())
            .collect();
        service_domains.sort_by_key(|domain| std::cmp::Reverse(domain.len()));
        HandleRules {
            hostname: hostname.to_ascii_lowercase(),
            service_domains,
        }
    }

    /// Whether the handle is under a domain in which this server gives handles.
    pub fn is_service_handle(&self, handle: &Handle) -> bool {
        self.service_name(handle).is_some()
    }

    /// Whether a new account may choose the handle.
    ///
    /// # Errors
    /// Why not.
    pub fn check_new(&self, handle: &Handle) -> Result<(), HandleRefused> {
        check_top_level(handle)?;
        if slurs::is_in(handle.as_str()) {
            return Err(HandleRefused::Language);
        }
        self.check_name(handle)
    }

    fn check_name(&self, handle: &Handle) -> Result<(), HandleRefused> {
        let name = self.service_name(handle).ok_or(HandleRefused::UnsupportedDomain)?;
        // Punycode can look like any other name.
        if name.contains('.') || name.starts_with(PUNYCODE) {
            return Err(HandleRefused::Characters);
        }
        if name.len() < MIN_NAME {
            return Err(HandleRefused::TooShort);
        }
        if name.len() > MAX_NAME {
            return Err(HandleRefused::TooLong);
        }
        // A handle that is the server's own name would be served our DID document instead of its own.
        if RESERVED.contains(name) || handle.as_str() == self.hostname {
            return Err(HandleRefused::Reserved);
        }
        Ok(())
    }

    /// Whether an administrator may give an account the handle: any language and reserved names too, and the server's own name or that of a service
    /// domain.
    ///
    /// # Errors
    /// Why not.
    pub fn check_by_admin(&self, handle: &Handle) -> Result<(), HandleRefused> {
        check_top_level(handle)?;
        let is_service_domain = |domain: &String| domain.strip_prefix('.') == Some(handle.as_str());
        if handle.as_str() == self.hostname || self.service_domains.iter().any(is_service_domain) {
            return Ok(());
        }
        match self.check_name(handle) {
            Err(HandleRefused::Reserved) => Ok(()),
            other => other,
        }
    }

    /// What stands in front of the service domain.
    pub(crate) fn service_name<'h>(&self, handle: &'h Handle) -> Option<&'h str> {
        self.service_domains
            .iter()
            .find_map(|domain| handle.as_str().strip_suffix(domain.as_str()))
    }
}

fn check_top_level(handle: &Handle) -> Result<(), HandleRefused> {
    let tld = handle.as_str().rsplit('.').next().unwrap_or_default();
    if DISALLOWED_TLDS.contains(&tld) {
        Err(HandleRefused::Tld)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn rules_for_new_handles() {
        let rules = HandleRules::new(
            "pds.test",
            &[".test".into(), ".pds.example.com".into(), ".example.com".into()],
        );
        for (handle, expected) in [
            ("alice.test", Ok(())),
            ("ALICE.Test", Ok(())),
            ("a-1.test", Ok(())),
            ("abc.test", Ok(())),
            ("eighteen-letters-x.test", Ok(())),
            ("bob.pds.example.com", Ok(())),
            ("bob.example.com", Ok(())),
            ("xn--80ak6aa92e.test", Err(HandleRefused::Characters)),
            ("ab.test", Err(HandleRefused::TooShort)),
            ("nineteen-letters-xy.test", Err(HandleRefused::TooLong)),
            ("al.ice.test", Err(HandleRefused::Characters)),
            ("a.b.pds.example.com", Err(HandleRefused::Characters)),
            ("alice.local", Err(HandleRefused::Tld)),
            ("alice.onion", Err(HandleRefused::Tld)),
            ("alice.example.org", Err(HandleRefused::UnsupportedDomain)),
            ("atest.org", Err(HandleRefused::UnsupportedDomain)),
            ("coons.test", Err(HandleRefused::Language)),
            ("coon.example.org", Err(HandleRefused::Language)),
            ("admin.test", Err(HandleRefused::Reserved)),
            ("pds.test", Err(HandleRefused::Reserved)),
        ] {
            assert_eq!(rules.check_new(&handle.parse().unwrap()), expected, "{handle}");
        }
    }

    #[test]
    fn administrators_may_give_reserved_names_and_the_servers_own() {
        let domains = [".test", ".pds.example.com"].map(str::to_owned);
        let rules = HandleRules::new("own.example.com", &domains);
        for (handle, expected) in [
            ("alice.test", Ok(())),
            ("admin.test", Ok(())),
            ("own.example.com", Ok(())),
            ("pds.example.com", Ok(())),
            ("al.ice.test", Err(HandleRefused::Characters)),
            ("ab.test", Err(HandleRefused::TooShort)),
            ("alice.local", Err(HandleRefused::Tld)),
            ("alice.example.org", Err(HandleRefused::UnsupportedDomain)),
        ] {
            assert_eq!(rules.check_by_admin(&handle.parse().unwrap()), expected, "{handle}");
        }
    }

    #[test]
    fn reserved_names_could_otherwise_be_chosen() {
        assert!(RESERVED.len() > 900);
        for name in RESERVED.iter() {
            let is_name = name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            assert!(is_name && (MIN_NAME..=MAX_NAME).contains(&name.len()), "{name:?}");
        }
    }
}
