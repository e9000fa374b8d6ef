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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn key(curve: Curve) -> SigningKey {
        SigningKey::from_bytes(curve, &[7; 32]).unwrap()
    }

    #[test]
    fn signs_and_verifies_on_both_curves() {
        let claims = json!({"iss": "did:plc:abc", "exp": 1});
        for (curve, alg) in [(Curve::K256, "ES256K"), (Curve::P256, "ES256")] {
            let unverified = parse(&sign(&key(curve), &json!({"typ": "JWT"}), &claims)).unwrap();
            assert_eq!(unverified.header, json!({"typ": "JWT", "alg": alg}));
            assert_eq!(unverified.claims, claims);
            assert_eq!(unverified.verify(&key(curve).public_key()), Ok(()));
        }
    }

    #[test]
    fn refuses_another_algorithm_key_or_content() {
        let token = sign(&key(Curve::K256), &json!({}), &json!({"a": 1}));
        let unverified = parse(&token).unwrap();
        assert_eq!(
            unverified.verify(&key(Curve::P256).public_key()),
            Err(JwsError::Algorithm)
        );
        let other = SigningKey::from_bytes(Curve::K256, &[8; 32]).unwrap().public_key();
        assert_eq!(unverified.verify(&other), Err(JwsError::Signature));
        let [header, _, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let forged = format!("{header}.{}.{signature}", BASE64URL_NOPAD.encode(b"{\"a\":2}"));
        assert_eq!(
            parse(&forged).unwrap().verify(&key(Curve::K256).public_key()),
            Err(JwsError::Signature)
        );
        let none = format!("{}.e30.", BASE64URL_NOPAD.encode(b"{\"alg\":\"none\"}"));
        assert_eq!(
            parse(&none).unwrap().verify(&key(Curve::K256).public_key()),
            Err(JwsError::Algorithm)
        );
    }

    #[test]
    fn refuses_what_is_no_jws() {
        let crit = BASE64URL_NOPAD.encode(b"{\"crit\":[\"exp\"]}");
        let refused = [
            ("", JwsError::Parts),
            ("e30.e30", JwsError::Parts),
            ("e30.e30.AA.AA", JwsError::Parts),
            ("e30=.e30.AA", JwsError::Parts),
            ("e3s.e30.AA", JwsError::Json),
            ("W10.e30.AA", JwsError::Json),
            ("e30.W10.AA", JwsError::Json),
            (&format!("{crit}.e30.AA"), JwsError::Critical),
            (&"a".repeat(MAX_JWS_BYTES + 1), JwsError::Length),
        ];
        for (token, error) in refused {
            assert_eq!(parse(token).unwrap_err(), error, "{token}");
        }
    }
}
