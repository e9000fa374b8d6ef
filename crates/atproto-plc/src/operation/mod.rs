//! Operations: what is signed, hashed and sent to the directory.

mod json;
mod signature;
#[cfg(test)]
mod tests;

use atproto_data::{Cid, Did, Map, PublicKey, SigningKey, Value, cbor};
use serde::{Deserialize, Serialize};

pub use self::json::{MAX_OPERATION_JSON_BYTES, OperationJsonError};
pub use self::signature::{Signature, SignatureEncodingError};
use crate::state::{HANDLE_PREFIX, Service, State};

/// An operation before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnsignedOperation {
    /// `plc_operation`: creates a DID (`prev` is `None`) or replaces the state that `prev` left.
    PlcOperation {
        /// The whole new state.
        state: State,
        /// The operation this one follows.
        prev: Option<Cid>,
    },
    /// `create`: the deprecated form of a genesis operation, read for ever, no longer accepted by directories.
    Create(LegacyCreate),
    /// `plc_tombstone`: ends the DID.
    Tombstone {
        /// The operation this one follows.
        prev: Cid,
    },
}

/// The deprecated genesis operation (specification, "Operation Serialization, Signing, and Validation").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyCreate {
    /// The key that signs the repository, a `did:key`; also the second rotation key.
    pub signing_key: String,
    /// The first rotation key, a `did:key`.
    pub recovery_key: String,
    /// The handle, usually without `at://`.
    pub handle: String,
    /// The PDS, a URL or host.
    pub service: String,
}

/// A signed operation. Its JSON is the directory's; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "json::OperationJson", into = "json::OperationJson")]
pub struct Operation {
    unsigned: UnsignedOperation,
    signature: Signature,
}

/// No update can follow a tombstone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the DID is tombstoned and cannot be updated")]
pub struct TombstonedError;

impl UnsignedOperation {
    /// The operation that creates a DID.
    pub fn genesis(state: State) -> UnsignedOperation {
        UnsignedOperation::PlcOperation { state, prev: None }
    }

    /// The operation that follows `previous` and changes its state. Errors if `previous` is a tombstone.
    pub fn update_from(
        previous: &Operation,
        change: impl FnOnce(&mut State),
    ) -> Result<UnsignedOperation, TombstonedError> {
        let mut state = previous.state().ok_or(TombstonedError)?;
        change(&mut state);
        Ok(UnsignedOperation::PlcOperation {
            state,
            prev: Some(previous.cid()),
        })
    }

    /// The operation that follows `prev` and ends the DID.
    pub fn tombstone(prev: Cid) -> UnsignedOperation {
        UnsignedOperation::Tombstone { prev }
    }

    /// Signs with a rotation key: ECDSA over the SHA-256 of the DAG-CBOR without `sig`, low-S.
    pub fn sign(self, rotation_key: &SigningKey) -> Operation {
        let signature = Signature::from_bytes(rotation_key.sign(&self.to_cbor()));
        Operation {
            unsigned: self,
            signature,
        }
    }

    /// The operation this one follows, `None` for a genesis operation.
    pub fn prev(&self) -> Option<Cid> {
        match self {
            UnsignedOperation::PlcOperation { prev, .. } => *prev,
            UnsignedOperation::Create(_) => None,
            UnsignedOperation::Tombstone { prev } => Some(*prev),
        }
    }

    /// The state after the operation, `None` after a tombstone. A legacy operation is read as the specification says.
    pub fn state(&self) -> Option<State> {
        match self {
            UnsignedOperation::PlcOperation { state, .. } => Some(state.clone()),
            UnsignedOperation::Create(create) => Some(create.to_state()),
            UnsignedOperation::Tombstone { .. } => None,
        }
    }

    /// The DAG-CBOR that is signed: all fields but `sig`.
    pub fn to_cbor(&self) -> Vec<u8> {
        cbor::encode(&Value::Map(self.to_map()))
    }

    fn to_map(&self) -> Map {
        let text = |text: &str| Value::String(text.to_owned());
        // A CID is a string here, not a link (specification, field `prev`).
        let prev = self.prev().map_or(Value::Null, |cid| Value::String(cid.to_string()));
        let mut map = Map::new();
        map.insert("prev".to_owned(), prev);
        match self {
            UnsignedOperation::PlcOperation { state, .. } => {
                map.insert("type".to_owned(), text("plc_operation"));
                for (name, value) in state.to_fields() {
                    map.insert(name, value);
                }
            }
            UnsignedOperation::Create(create) => {
                map.insert("type".to_owned(), text("create"));
                map.insert("signingKey".to_owned(), text(&create.signing_key));
                map.insert("recoveryKey".to_owned(), text(&create.recovery_key));
                map.insert("handle".to_owned(), text(&create.handle));
                map.insert("service".to_owned(), text(&create.service));
            }
            UnsignedOperation::Tombstone { .. } => {
                map.insert("type".to_owned(), text("plc_tombstone"));
            }
        }
        map
    }
}

impl LegacyCreate {
    /// The same in today's form (specification: "Conversion of the legacy format"); handle and host get their prefixes.
    fn to_state(&self) -> State {
        let host = self.handle.replacen("http://", "", 1).replacen("https://", "", 1);
        let is_uri = self.handle.starts_with(HANDLE_PREFIX);
        let is_url = self.service.starts_with("http://") || self.service.starts_with("https://");
        let endpoint = if is_url {
            self.service.clone()
        } else {
            format!("https://{}", self.service)
        };
        let mut state = State {
            rotation_keys: vec![self.recovery_key.clone(), self.signing_key.clone()],
            also_known_as: vec![if is_uri {
                self.handle.clone()
            } else {
                format!("{HANDLE_PREFIX}{host}")
            }],
            ..State::default()
        };
        state.set_signing_key(&self.signing_key);
        state
            .services
            .insert(crate::state::ATPROTO_PDS.to_owned(), Service::pds(&endpoint));
        state
    }
}

impl Operation {
    /// The operation without its signature.
    pub fn unsigned(&self) -> &UnsignedOperation {
        &self.unsigned
    }

    /// The signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The operation this one follows, `None` for a genesis operation.
    pub fn prev(&self) -> Option<Cid> {
        self.unsigned.prev()
    }

    /// The state after the operation, `None` after a tombstone.
    pub fn state(&self) -> Option<State> {
        self.unsigned.state()
    }

    /// Whether the operation ends the DID.
    pub fn is_tombstone(&self) -> bool {
        matches!(self.unsigned, UnsignedOperation::Tombstone { .. })
    }

    /// The DAG-CBOR that is hashed: all fields with `sig`.
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut map = self.unsigned.to_map();
        map.insert("sig".to_owned(), Value::String(self.signature.to_string()));
        cbor::encode(&Value::Map(map))
    }

    /// The CID by which the next operation refers to this one.
    pub fn cid(&self) -> Cid {
        Cid::of_dag_cbor(&self.to_cbor())
    }

    /// The DID this operation creates if it is a genesis operation: the first 120 bits of its SHA-256 in base32.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "did:plc: and 24 base32 characters are always a DID"
    )]
    pub fn did_of_genesis(&self) -> Did {
        /// 24 characters of base32.
        const IDENTIFIER_BYTES: usize = 15;
        let cid = self.cid();
        let identifier = data_encoding::BASE32_NOPAD
            .encode(&cid.digest()[..IDENTIFIER_BYTES])
            .to_ascii_lowercase();
        format!("did:plc:{identifier}").parse().expect("a did:plc")
    }

    /// The index of the first of the `did:key`s whose signature this operation bears, `None` if none fits.
    ///
    /// Keys of a kind that cannot rotate are passed over.
    pub fn signer(&self, rotation_keys: &[String]) -> Option<usize> {
        let message = self.unsigned.to_cbor();
        rotation_keys.iter().position(|key| {
            PublicKey::from_did_key(key).is_ok_and(|key| key.verify(&message, self.signature.as_bytes()).is_ok())
        })
    }
}
