//! Which e-mail addresses are taken (RFC 5321, ASCII only: what every mail server can deliver to).

use std::collections::HashSet;
use std::sync::LazyLock;

/// The longest address and local part, in bytes (RFC 5321 §4.5.3.1).
const MAX_ADDRESS: usize = 254;
const MAX_LOCAL_PART: usize = 64;
/// The longest label of a domain, in bytes (RFC 1035).
const MAX_LABEL: usize = 63;
/// What may stand in a local part besides letters and digits (RFC 5322 `atext`), and dots in between.
const ATEXT: &[u8] = b"!#$%&'*+-/=?^_`{|}~";

/// Domains that give addresses to anybody for some minutes, one a line.
static DISPOSABLE: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("disposable_domains.txt").lines().collect());

/// Whether an address can have an account here: well formed, and not a throw-away one.
pub(super) fn is_acceptable(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else {
        return false;
    };
    address.len() <= MAX_ADDRESS && is_local_part(local) && is_domain(domain) && !is_disposable(domain)
}

/// What an address is looked up by.
pub(super) fn key(address: &str) -> String {
    address.to_ascii_lowercase()
}

fn is_local_part(text: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || ATEXT.contains(&byte))
    };
    text.len() <= MAX_LOCAL_PART && text.split('.').all(is_atom)
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let ends_in_a_name = text
        .rsplit('.')
        .next()
        .is_some_and(|tld| tld.bytes().any(|byte| byte.is_ascii_alphabetic()));
    text.contains('.') && text.split('.').all(is_label) && ends_in_a_name
}

/// Whether the domain or one above it is on the list.
fn is_disposable(domain: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    let mut rest = Some(domain.as_str());
    while let Some(name) = rest {
        if DISPOSABLE.contains(name) {
            return true;
        }
        rest = name.split_once('.').map(|(_, above)| above);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let long = format!("{}@mail.test", "x".repeat(65));
        let longest = format!(
            "x@{}.test",
            ["y".repeat(63), "y".repeat(63), "y".repeat(63), "y".repeat(63)].join(".")
        );
        for (address, expected) in [
            ("alice@mail.test", true),
            ("Bob.O'Brien+pds@Mail.test", true),
            ("a@b.co", true),
            ("not-an-email", false),
            ("@mail.test", false),
            ("a@", false),
            ("a@localhost", false),
            ("a@1.2.3.4", false),
            ("a@[1.2.3.4]", false),
            ("a b@mail.test", false),
            ("a@@mail.test", false),
            ("a..b@mail.test", false),
            (".a@mail.test", false),
            ("a@mail..test", false),
            ("a@-mail.test", false),
            ("a@mail.test\r\nBcc: b@mail.test", false),
            ("ä@mail.test", false),
            ("a@mäil.test", false),
            ("\"a b\"@mail.test", false),
            ("x@mailinator.com", false),
            ("x@MAILINATOR.com", false),
            ("x@sub.mailinator.com", false),
            ("x@notmailinator.com", true),
            (&long, false),
            (&longest, false),
            ("", false),
        ] {
            assert_eq!(is_acceptable(address), expected, "{address}");
        }
    }

    #[test]
    fn the_list_is_of_lower_case_domains() {
        assert!(
            DISPOSABLE
                .iter()
                .all(|domain| is_domain(domain) && *domain == domain.to_ascii_lowercase())
        );
    }
}
