//! The protocol's vectors of keys and signatures.
#![expect(clippy::unwrap_used, reason = "tests")]

mod vectors;

use atproto_data::crypto::Curve;
use atproto_data::{PublicKey, SigningKey};
use data_encoding::{BASE64_NOPAD, HEXLOWER};
use serde_json::Value;

fn cases(name: &str) -> Vec<Value> {
    let text = vectors::read(&format!("crypto/{name}.json"));
    text.map(|text| serde_json::from_str(&text).unwrap())
        .unwrap_or_default()
}

fn base64(case: &Value, field: &str) -> Vec<u8> {
    BASE64_NOPAD.decode(case[field].as_str().unwrap().as_bytes()).unwrap()
}

#[test]
fn signatures() {
    for case in cases("signature-fixtures") {
        let key = PublicKey::from_did_key(case["publicKeyDid"].as_str().unwrap()).unwrap();
        let (vm_type, multibase) = (
            case["didDocSuite"].as_str().unwrap(),
            case["publicKeyMultibase"].as_str().unwrap(),
        );
        assert_eq!(PublicKey::from_verification_method(vm_type, multibase), Ok(key.clone()));
        let verified = key.verify(&base64(&case, "messageBase64"), &base64(&case, "signatureBase64"));
        assert_eq!(verified.is_ok(), case["validSignature"] == true, "{}", case["comment"]);
    }
}

#[test]
fn did_keys() {
    let k256 = cases("w3c_didkey_K256").into_iter().map(|case| {
        let bytes = HEXLOWER
            .decode(case["privateKeyBytesHex"].as_str().unwrap().as_bytes())
            .unwrap();
        (Curve::K256, bytes, case)
    });
    let p256 = cases("w3c_didkey_P256").into_iter().map(|case| {
        let bytes = bs58::decode(case["privateKeyBytesBase58"].as_str().unwrap())
            .into_vec()
            .unwrap();
        (Curve::P256, bytes, case)
    });
    for (curve, bytes, case) in k256.chain(p256) {
        let key = SigningKey::from_bytes(curve, &bytes.try_into().unwrap()).unwrap();
        let did_key = case["publicDidKey"].as_str().unwrap();
        assert_eq!(key.public_key().to_did_key(), did_key);
        assert_eq!(PublicKey::from_did_key(did_key), Ok(key.public_key()));
    }
}
