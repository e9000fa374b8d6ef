//! A service of the operator's choice, given by its address and its DID.

use atproto_data::Did;

use super::reader::Reader;

/// A service that this server calls, and the DID that it goes by.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Its address, without `/` at the end.
    pub url: String,
    /// Its DID: the audience of the tokens it is called with.
    pub did: Did,
}

impl Upstream {
    /// As in the reference server, an address needs a DID and a DID alone has no effect.
    pub(super) fn read(reader: &mut Reader<'_>, url_name: &'static str, did_name: &'static str) -> Option<Self> {
        let url = reader.url(url_name);
        let given_did = reader.text(did_name);
        let did = given_did.as_ref().and_then(|text| text.parse().ok());
        match (&url, &given_did) {
            (Some(_), None) => reader.problem(did_name, format!("must be set beside {url_name}")),
            (None, Some(_)) => reader.warn(format!("{did_name} is set without {url_name}: it has no effect")),
            _ => {}
        }
        if let (Some(text), None) = (&given_did, &did) {
            reader.refuse(did_name, "a DID such as did:web:api.example.com", text);
        }
        Some(Self { url: url?, did: did? })
    }
}
