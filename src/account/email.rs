//! Which e-mail addresses are taken (RFC 5321, kept in ASCII: what every mail server can deliver to).

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

/// Why an address can have no account here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailRefused {
    /// It is malformed or a throw-away one.
    #[error("This email address is not supported, please use a different email.")]
    Unsupported,
    /// Many mail servers cannot deliver to it (RFC 6531 is not everywhere).
    #[error("Letters other than a-z before the @ are not supported, please use a different email.")]
    LocalPartNotAscii,
}

/// The address as it is stored and written to, in small letters as in the reference, its domain in ASCII, if it can have an account here: well formed, and not a throw-away one.
pub(super) fn accept(address: &str) -> Result<String, EmailRefused> {
    let address = to_ascii(address).ok_or(EmailRefused::Unsupported)?;
    let (local, domain) = address.rsplit_once('@').ok_or(EmailRefused::Unsupported)?;
    if address.len() > MAX_ADDRESS || !is_domain(domain) || is_disposable(domain) {
        return Err(EmailRefused::Unsupported);
    }
    match local {
        local if !local.is_ascii() => Err(EmailRefused::LocalPartNotAscii),
        local if !is_local_part(local) => Err(EmailRefused::Unsupported),
        _ => Ok(address.to_ascii_lowercase()),
    }
}

/// What an address is looked up by.
pub(super) fn key(address: &str) -> String {
    let address = to_ascii(address).unwrap_or_else(|| address.to_owned());
    address.to_ascii_lowercase()
}

/// An address with its domain as mail servers know it (`xn--`, RFC 5891), if the domain has such a form.
fn to_ascii(address: &str) -> Option<String> {
    match address.rsplit_once('@') {
        Some((local, domain)) if !domain.is_ascii() => {
            let domain = Some(domain).filter(|domain| domain.len() <= MAX_ADDRESS)?;
            Some(format!("{local}@{}", idna::domain_to_ascii(domain).ok()?))
        }
        _ => Some(address.to_owned()),
    }
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
            ("a@mäil.test", true),
            ("a@mail。test", true),
            ("a@mäil", false),
            ("a@mäil .test", false),
            ("a@\u{200d}ä.test", false),
            ("x@ｍailinator.com", false),
            ("\"a b\"@mail.test", false),
            ("x@mailinator.com", false),
            ("x@MAILINATOR.com", false),
            ("x@sub.mailinator.com", false),
            ("x@notmailinator.com", true),
            (&long, false),
            (&longest, false),
            ("", false),
        ] {
            assert_eq!(accept(address).is_ok(), expected, "{address}");
        }
    }

    #[test]
    fn addresses_are_kept_in_small_letters_and_their_domains_in_ascii() {
        for (address, stored) in [
            ("Alice@Müller.de", "alice@xn--mller-kva.de"),
            ("alice@MÜLLER.de", "alice@xn--mller-kva.de"),
            ("alice@xn--mller-kva.de", "alice@xn--mller-kva.de"),
            ("alice@例え.jp", "alice@xn--r8jz45g.jp"),
            ("Alice@Mail.test", "alice@mail.test"),
        ] {
            assert_eq!(accept(address).as_deref(), Ok(stored));
            assert_eq!(key(address), stored);
        }
        assert_eq!(accept("jürgen@müller.de"), Err(EmailRefused::LocalPartNotAscii));
        assert_eq!(key("Müller"), "müller");
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
