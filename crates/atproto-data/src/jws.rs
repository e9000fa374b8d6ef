//! Compact JSON Web Signatures with the keys of the protocol: `ES256K` (RFC 8812) and `ES256` (RFC 7518), as used between
//! services (<https://atproto.com/specs/xrpc#inter-service-authentication-jwt>).

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use crate::crypto::Curve;
use crate::{PublicKey, SigningKey};

/// Longest JWS in bytes that is parsed; a service token takes a few hundred.
pub const MAX_JWS_BYTES: usize = 16_384;

/// Why text is not a JWS, or not one signed by the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// More than [`MAX_JWS_BYTES`].
    #[error("the JWT is longer than {MAX_JWS_BYTES} bytes")]
    Length,
    /// Not three parts of base64url without padding.
    #[error("a JWT must be three parts of base64url, separated by dots")]
    Parts,
    /// A header or claims that are not a JSON object.
    #[error("the header and the claims of a JWT must be JSON objects")]
    Json,
    /// A header with `crit`, which names extensions that must be understood; none is.
    #[error("the JWT demands extensions that are not supported")]
    Critical,
    /// An `alg` that is missing or does not belong to the key's curve.
    #[error("the algorithm of the JWT does not match the key")]
    Algorithm,
    /// A signature that does not hold.
    #[error("the signature of the JWT is not valid")]
    Signature,
}

/// A JWS whose signature has not been checked: nothing in it is to be trusted but what is needed to find the key.
#[derive(Clone, Debug)]
pub struct Unverified {
    /// The header, an object.
    pub header: Value,
    /// The claims, an object.
    pub claims: Value,
    signing_input: String,
    signature: Vec<u8>,
}

/// Signs claims. The header's `alg` is set to that of the key.
pub fn sign(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let mut header = header.clone();
    if let Value::Object(members) = &mut header {
        members.insert("alg".to_owned(), algorithm(key.curve()).into());
    }
    let mut token = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
    token.push('.');
    BASE64URL_NOPAD.encode_append(claims.to_string().as_bytes(), &mut token);
    let signature = key.sign(token.as_bytes());
    token.push('.');
    BASE64URL_NOPAD.encode_append(&signature, &mut token);
    token
}

/// Takes a compact JWS apart, without checking its signature.
pub fn parse(token: &str) -> Result<Unverified, JwsError> {
    if token.len() > MAX_JWS_BYTES {
        return Err(JwsError::Length);
    }
    let (signing_input, signature) = token.rsplit_once('.').ok_or(JwsError::Parts)?;
    let (header, claims) = signing_input.split_once('.').ok_or(JwsError::Parts)?;
    let header = object(header)?;
    if header.get("crit").is_some() {
        return Err(JwsError::Critical);
    }
    Ok(Unverified {
        header,
        claims: object(claims)?,
        signing_input: signing_input.to_owned(),
        signature: decode(signature)?,
    })
}

impl Unverified {
    /// Checks the signature. The `alg` must be the one of the key's curve; a high `s` is accepted, as JWT libraries make
    /// it.
    pub fn verify(&self, key: &PublicKey) -> Result<(), JwsError> {
        if self.header.get("alg").and_then(Value::as_str) != Some(algorithm(key.curve())) {
            return Err(JwsError::Algorithm);
        }
        key.verify_malleable(self.signing_input.as_bytes(), &self.signature)
            .map_err(|_| JwsError::Signature)
    }
}

fn algorithm(curve: Curve) -> &'static str {
    match curve {
        Curve::K256 => "ES256K",
        Curve::P256 => "ES256",
    }
}

fn object(part: &str) -> Result<Value, JwsError> {
    let value: Value = serde_json::from_slice(&decode(part)?).map_err(|_| JwsError::Json)?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(JwsError::Json)
    }
}

fn decode(part: &str) -> Result<Vec<u8>, JwsError> {
    BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| JwsError::Parts)
}
