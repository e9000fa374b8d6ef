//! Where a DID's document is.

use atproto_data::Did;

use crate::outbound::Reach;

/// The characters of a did:plc identifier ([did:plc](https://web.plc.directory/spec/v0.1/did-plc)).
const PLC_LENGTH: usize = 24;

/// Whether a DID is a well-formed did:plc; no directory has to be asked for others.
pub(super) fn is_plc(did: &Did) -> bool {
    did.as_str().strip_prefix("did:plc:").is_some_and(|identifier| {
        identifier.len() == PLC_LENGTH && identifier.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
    })
}

/// Whether a DID is well-formed and of a method that the AT Protocol has ([Blessed DID
/// methods](https://atproto.com/specs/did#blessed-did-methods)).
pub(crate) fn is_of_protocol(did: &Did) -> bool {
    is_plc(did) || of_web(did, Reach::Public).is_some()
}

/// The address of a did:web's document ([did:web](https://w3c-ccg.github.io/did-method-web/)). The AT Protocol allows no paths; a
/// port (written `%3A`) is for development, where `localhost` is asked by http.
pub(super) fn of_web(did: &Did, reach: Reach) -> Option<String> {
    let encoded = did.as_str().strip_prefix("did:web:")?;
    let host = encoded.replacen("%3A", ":", 1).replacen("%3a", ":", 1);
    if encoded.contains(':') || host.contains('%') || host.matches(':').count() > 1 {
        return None;
    }
    let is_local = reach == Reach::Anywhere && host.split(':').next() == Some("localhost");
    let scheme = if is_local { "http" } else { "https" };
    Some(format!("{scheme}://{host}/.well-known/did.json"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn plc_identifiers_have_one_form() {
        assert!(is_plc(&"did:plc:ewvi7nxzyoun6zhxrhs64oiz".parse().unwrap()));
        for did in [
            "did:plc:ewvi7nxzyoun6zhxrhs64oi",
            "did:plc:ewvi7nxzyoun6zhxrhs64oizz",
            "did:plc:ewvi7nxzyoun6zhxrhs64oi1",
            "did:plc:EWVI7NXZYOUN6ZHXRHS64OIZ",
        ] {
            assert!(!is_plc(&did.parse().unwrap()), "{did}");
        }
    }

    #[test]
    fn web_documents_are_at_their_host() {
        for (did, reach, expected) in [
            (
                "did:web:example.com",
                Reach::Public,
                Some("https://example.com/.well-known/did.json"),
            ),
            (
                "did:web:localhost%3A2584",
                Reach::Anywhere,
                Some("http://localhost:2584/.well-known/did.json"),
            ),
            (
                "did:web:localhost%3a2584",
                Reach::Public,
                Some("https://localhost:2584/.well-known/did.json"),
            ),
            (
                "did:web:localhost.example.com",
                Reach::Anywhere,
                Some("https://localhost.example.com/.well-known/did.json"),
            ),
            ("did:web:example.com:users:alice", Reach::Public, None),
            ("did:web:example.com%2Fpath", Reach::Public, None),
            ("did:web:example.com%3A1%3A2", Reach::Public, None),
            ("did:plc:ewvi7nxzyoun6zhxrhs64oiz", Reach::Public, None),
        ] {
            assert_eq!(of_web(&did.parse().unwrap(), reach).as_deref(), expected, "{did}");
        }
    }
}
