//! Reading DID documents of any method, in today's form and in older ones.

use atproto_data::{Did, Handle, PublicKey};
use serde_json::{Map, Value};

use crate::state::{ATPROTO_PDS, ATPROTO_PDS_TYPE, HANDLE_PREFIX};

/// Bytes of a DID document's JSON at most.
pub const MAX_DOCUMENT_BYTES: usize = 65_536;
/// Names in `alsoKnownAs` at most.
pub const MAX_ALSO_KNOWN_AS: usize = 100;
/// Verification methods at most.
pub const MAX_VERIFICATION_METHODS: usize = 100;
/// Services at most.
pub const MAX_SERVICES: usize = 100;
/// Bytes of any one string that is kept; entries with longer ones are passed over.
pub const MAX_STRING_BYTES: usize = 2_048;

/// What the AT Protocol needs of a DID document. Entries of other shapes (JWKs, endpoints that are objects) are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DidDocument {
    /// The DID, the same that was asked for.
    pub id: Did,
    /// URIs of other names, the preferred first.
    pub also_known_as: Vec<String>,
    /// Keys, in the document's order.
    pub verification_methods: Vec<VerificationMethod>,
    /// Services, in the document's order.
    pub services: Vec<DocumentService>,
}

/// A key of a DID document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationMethod {
    /// The name after `#`.
    pub fragment: String,
    /// `Multikey`, or an older type named after the curve.
    pub method_type: String,
    /// The key, in the form that the type prescribes.
    pub public_key_multibase: String,
}

/// A service of a DID document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentService {
    /// The name after `#`.
    pub fragment: String,
    /// For example `AtprotoPersonalDataServer`.
    pub service_type: String,
    /// Its URL, not checked: see [`DocumentService::url`].
    pub endpoint: String,
}

/// Why a DID document is refused.
#[derive(Debug, thiserror::Error)]
pub enum DidDocumentError {
    /// More than [`MAX_DOCUMENT_BYTES`].
    #[error("the DID document is too large ({MAX_DOCUMENT_BYTES} bytes at most)")]
    TooLarge,
    /// Not JSON.
    #[error("the DID document is not JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// Not an object.
    #[error("the DID document is not an object")]
    NotAnObject,
    /// `id` is not the DID that was asked for.
    #[error("the DID document's id is not {0}")]
    OtherId(Did),
    /// A field that should be a list is none.
    #[error("the DID document's field {0} is not a list")]
    NotAList(&'static str),
    /// Too many entries.
    #[error("the DID document's field {field} has more than {limit} entries")]
    TooMany {
        /// The field.
        field: &'static str,
        /// How many entries are read.
        limit: usize,
    },
}

impl DidDocument {
    /// Reads the document of `did` from at most [`MAX_DOCUMENT_BYTES`] of JSON.
    pub fn from_slice(did: &Did, json: &[u8]) -> Result<DidDocument, DidDocumentError> {
        if json.len() > MAX_DOCUMENT_BYTES {
            return Err(DidDocumentError::TooLarge);
        }
        DidDocument::from_value(did, &serde_json::from_slice(json)?)
    }

    /// Reads the document of `did` from JSON whose size the caller has bounded.
    pub fn from_value(did: &Did, json: &Value) -> Result<DidDocument, DidDocumentError> {
        let object = json.as_object().ok_or(DidDocumentError::NotAnObject)?;
        if object.get("id").and_then(Value::as_str) != Some(did.as_str()) {
            return Err(DidDocumentError::OtherId(did.clone()));
        }
        let also_known_as = list(object, "alsoKnownAs", MAX_ALSO_KNOWN_AS)?;
        let verification_methods = list(object, "verificationMethod", MAX_VERIFICATION_METHODS)?;
        let services = list(object, "service", MAX_SERVICES)?;
        Ok(DidDocument {
            id: did.clone(),
            also_known_as: also_known_as.iter().filter_map(short_string).collect(),
            verification_methods: verification_methods
                .iter()
                .filter_map(|json| verification_method(did, json))
                .collect(),
            services: services.iter().filter_map(|json| service(did, json)).collect(),
        })
    }

    /// The key named `fragment` (without `#`), the first of that name, if it is a K-256 or P-256 key.
    ///
    /// [`ATPROTO_KEY`](crate::state::ATPROTO_KEY) names the key that signs the account's repository.
    pub fn signing_key(&self, fragment: &str) -> Option<PublicKey> {
        let method = self
            .verification_methods
            .iter()
            .find(|method| method.fragment == fragment)?;
        PublicKey::from_verification_method(&method.method_type, &method.public_key_multibase).ok()
    }

    /// The first service named `fragment` (without `#`).
    pub fn service(&self, fragment: &str) -> Option<&DocumentService> {
        self.services.iter().find(|service| service.fragment == fragment)
    }

    /// The URL of the account's PDS: service `#atproto_pds` of the right type with an http(s) URL.
    pub fn pds_endpoint(&self) -> Option<&str> {
        self.service(ATPROTO_PDS)
            .filter(|service| service.service_type == ATPROTO_PDS_TYPE)?
            .url()
    }

    /// The first well-formed handle among the names. It is only claimed: the handle must resolve back to the DID.
    pub fn handle(&self) -> Option<Handle> {
        self.also_known_as
            .iter()
            .find_map(|name| name.strip_prefix(HANDLE_PREFIX)?.parse().ok())
    }
}

impl DocumentService {
    /// The endpoint if it is an http(s) URL with a host, without user info, blanks and control characters.
    pub fn url(&self) -> Option<&str> {
        let rest = self
            .endpoint
            .strip_prefix("https://")
            .or_else(|| self.endpoint.strip_prefix("http://"))?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let is_plain = !rest.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\');
        let has_host = !authority.is_empty() && !authority.starts_with(':') && !authority.contains('@');
        (is_plain && has_host).then_some(self.endpoint.as_str())
    }
}

/// A list that may be missing.
fn list<'a>(
    object: &'a Map<String, Value>,
    field: &'static str,
    limit: usize,
) -> Result<&'a [Value], DidDocumentError> {
    let entries = match object.get(field) {
        None | Some(Value::Null) => return Ok(&[]),
        Some(json) => json.as_array().ok_or(DidDocumentError::NotAList(field))?,
    };
    if entries.len() > limit {
        return Err(DidDocumentError::TooMany { field, limit });
    }
    Ok(entries)
}

fn verification_method(did: &Did, json: &Value) -> Option<VerificationMethod> {
    Some(VerificationMethod {
        fragment: fragment(did, json.get("id")?)?,
        method_type: short_string(json.get("type")?)?,
        public_key_multibase: short_string(json.get("publicKeyMultibase")?)?,
    })
}

fn service(did: &Did, json: &Value) -> Option<DocumentService> {
    Some(DocumentService {
        fragment: fragment(did, json.get("id")?)?,
        service_type: short_string(json.get("type")?)?,
        endpoint: short_string(json.get("serviceEndpoint")?)?,
    })
}

/// The name of `#name` or `<did>#name`; an id under another DID names nothing of this one.
fn fragment(did: &Did, id: &Value) -> Option<String> {
    let id = short_string(id)?;
    let relative = id.strip_prefix(did.as_str()).unwrap_or(&id);
    relative
        .strip_prefix('#')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
}

fn short_string(json: &Value) -> Option<String> {
    json.as_str()
        .filter(|text| text.len() <= MAX_STRING_BYTES)
        .map(str::to_owned)
}
