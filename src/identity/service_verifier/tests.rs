//! Tokens as others make them, and as attackers do (catalogue I1).

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use atproto_data::SigningKey;
use atproto_data::crypto::Curve;
use atproto_plc::DidDocument;
use futures_util::future::BoxFuture;
use serde_json::json;

use super::*;
use crate::clock::fake::FakeClock;

const ISSUER: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
const MODERATION: &str = "did:web:mod.test";
const US: &str = "did:web:pds.test";
const METHOD: &str = "com.atproto.server.createAccount";
const NOW: i64 = FakeClock::START / MICROS_PER_SECOND;

fn key(byte: u8) -> SigningKey {
    SigningKey::from_bytes(Curve::K256, &[byte; 32]).unwrap()
}

/// One document for every DID: keys 1 (`#atproto`) and 2 (`#atproto_label`), until they change.
struct Documents {
    /// What is answered at once, and what is found when it is looked up anew.
    cached: Mutex<Option<u8>>,
    current: Mutex<Option<u8>>,
    fails: bool,
    looked_up: AtomicUsize,
}

impl Documents {
    fn with(cached: Option<u8>, current: Option<u8>) -> Arc<Documents> {
        Arc::new(Documents {
            cached: Mutex::new(cached),
            current: Mutex::new(current),
            fails: false,
            looked_up: AtomicUsize::new(0),
        })
    }

    fn document(&self, did: &Did, signs: Option<u8>) -> Result<Option<Arc<ResolvedDid>>, ResolveError> {
        if self.fails {
            return Err(ResolveError::Failed("test".to_owned()));
        }
        let method = |name: &str, byte: u8| {
            json!({
                "id": format!("#{name}"), "type": "Multikey", "controller": did,
                "publicKeyMultibase": key(byte).public_key().to_multikey(),
            })
        };
        let Some(signs) = signs else { return Ok(None) };
        let json = json!({"id": did, "verificationMethod": [method("atproto", signs), method("atproto_label", 2)]});
        let document = DidDocument::from_value(did, &json).unwrap();
        Ok(Some(Arc::new(ResolvedDid { json, document })))
    }
}

impl DidResolver for Documents {
    fn resolve<'a>(&'a self, did: &'a Did) -> BoxFuture<'a, Result<Option<Arc<ResolvedDid>>, ResolveError>> {
        let answer = self.document(did, *self.cached.lock().unwrap());
        Box::pin(std::future::ready(answer))
    }

    fn resolve_anew<'a>(&'a self, did: &'a Did) -> BoxFuture<'a, Result<Option<Arc<ResolvedDid>>, ResolveError>> {
        self.looked_up.fetch_add(1, Ordering::SeqCst);
        let answer = self.document(did, *self.current.lock().unwrap());
        Box::pin(std::future::ready(answer))
    }
}

fn verifier(documents: &Arc<Documents>) -> ServiceVerifier {
    let resolver = Arc::clone(documents) as Arc<dyn DidResolver>;
    ServiceVerifier::new(resolver, Arc::new(FakeClock::new()), US.parse().unwrap())
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": US, "lxm": METHOD, "iat": NOW, "exp": NOW + 60, "jti": "one"})
}

fn sign(claims: &Value) -> String {
    jws::sign(&key(1), &json!({"typ": "JWT"}), claims)
}

async fn verify(token: &str) -> Result<ServiceCaller, ServiceTokenError> {
    let verifier = verifier(&Documents::with(Some(1), Some(1)));
    verifier.verify(token, METHOD, Issuer::AnyAccount, Uses::One).await
}

fn changed(name: &str, value: Value) -> String {
    let mut claims = claims();
    claims[name] = value;
    sign(&claims)
}

#[tokio::test]
async fn a_genuine_token_tells_who_calls() {
    for token in [
        sign(&claims()),
        changed("aud", json!(format!("{US}#atproto_pds"))),
        changed("exp", json!(NOW)),
        changed("exp", json!(NOW + 3_600)),
        changed("jti", Value::Null),
        jws::sign(&key(1), &json!({}), &claims()),
        jws::sign(&key(1), &json!({"kid": "#other"}), &claims()),
    ] {
        assert_eq!(verify(&token).await.unwrap().did.as_str(), ISSUER, "{token}");
    }
}

#[tokio::test]
async fn everything_else_is_refused() {
    let other_key = jws::sign(&key(3), &json!({"typ": "JWT"}), &claims());
    let p256 = SigningKey::from_bytes(Curve::P256, &[1; 32]).unwrap();
    let bad_method = || ServiceTokenError::Method(METHOD.to_owned());
    let typed = |typ: &str| jws::sign(&key(1), &json!({"typ": typ}), &claims());
    let cases = [
        (String::new(), ServiceTokenError::Malformed),
        ("a.b.c".to_owned(), ServiceTokenError::Malformed),
        (typed("at+jwt"), ServiceTokenError::Type("at+jwt".to_owned())),
        (typed("refresh+jwt"), ServiceTokenError::Type("refresh+jwt".to_owned())),
        (typed("DPoP+jwt"), ServiceTokenError::Type("DPoP+jwt".to_owned())),
        (changed("iss", Value::Null), ServiceTokenError::Malformed),
        (changed("aud", json!([US])), ServiceTokenError::Malformed),
        (changed("exp", json!("1")), ServiceTokenError::Malformed),
        (changed("exp", Value::Null), ServiceTokenError::Malformed),
        (changed("jti", json!(1)), ServiceTokenError::Malformed),
        (changed("exp", json!(NOW - 1)), ServiceTokenError::Expired),
        (changed("exp", json!(0)), ServiceTokenError::Expired),
        (changed("exp", json!(-1.5e300)), ServiceTokenError::Expired),
        (changed("exp", json!(NOW + 86_400)), ServiceTokenError::TooLong),
        (changed("exp", json!(u64::MAX)), ServiceTokenError::TooLong),
        (changed("aud", json!("did:web:other.test")), ServiceTokenError::Audience),
        (
            changed("aud", json!(format!("{US}#bsky_appview"))),
            ServiceTokenError::Audience,
        ),
        (changed("aud", json!(format!("{US}#"))), ServiceTokenError::Audience),
        (
            changed("lxm", Value::Null),
            ServiceTokenError::MethodMissing(METHOD.to_owned()),
        ),
        (changed("lxm", json!("*")), bad_method()),
        (changed("lxm", json!("com.atproto.server.createaccount")), bad_method()),
        (changed("iss", json!("alice.test")), ServiceTokenError::Issuer),
        (
            changed("iss", json!(format!("{ISSUER}#atproto_labeler"))),
            ServiceTokenError::Issuer,
        ),
        (other_key, ServiceTokenError::Signature),
        (jws::sign(&p256, &json!({}), &claims()), ServiceTokenError::Signature),
    ];
    for (token, expected) in cases {
        assert_eq!(verify(&token).await.unwrap_err(), expected, "{token}");
    }
}

#[tokio::test]
async fn a_high_s_is_accepted() {
    // The order of secp256k1; n − s is the other signature of the same message.
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae,
        0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
    ];
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let token = sign(&claims());
    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut borrow = 0_i16;
    for (digit, order) in signature[32..].iter_mut().zip(ORDER).rev() {
        let difference = i16::from(order) - i16::from(*digit) - borrow;
        borrow = i16::from(difference < 0);
        *digit = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let malleated = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert_ne!(malleated, token);
    assert!(verify(&malleated).await.is_ok());
}

#[tokio::test]
async fn a_key_that_changed_is_looked_up_once() {
    for (cached, current, looked_up, expected) in [
        (Some(1), Some(1), 0, Ok(())),
        (Some(3), Some(1), 1, Ok(())),
        (Some(3), Some(3), 1, Err(ServiceTokenError::Signature)),
        (Some(3), None, 1, Err(ServiceTokenError::Unresolved)),
        (None, Some(1), 0, Err(ServiceTokenError::Unresolved)),
    ] {
        let documents = Documents::with(cached, current);
        let verified = verifier(&documents)
            .verify(&sign(&claims()), METHOD, Issuer::AnyAccount, Uses::One)
            .await;
        assert_eq!(verified.map(drop), expected);
        assert_eq!(documents.looked_up.load(Ordering::SeqCst), looked_up);
    }
    let mut failing = Documents::with(Some(1), Some(1));
    Arc::get_mut(&mut failing).unwrap().fails = true;
    let verified = verifier(&failing)
        .verify(&sign(&claims()), METHOD, Issuer::AnyAccount, Uses::One)
        .await;
    assert_eq!(verified.map(drop), Err(ServiceTokenError::Unresolved));
}

#[tokio::test]
async fn a_token_that_is_good_once_is_held_until_its_call_fails() {
    for token in [sign(&claims()), changed("jti", Value::Null)] {
        let verifier = verifier(&Documents::with(Some(1), Some(1)));
        let verify = |uses| verifier.verify(&token, METHOD, Issuer::AnyAccount, uses);
        let caller = verify(Uses::One).await.unwrap();
        assert_eq!(verify(Uses::One).await.unwrap_err(), ServiceTokenError::Spent);
        drop(caller);
        verify(Uses::One).await.unwrap().token_use.unwrap().spend();
        assert_eq!(verify(Uses::One).await.unwrap_err(), ServiceTokenError::Spent);
        assert!(verify(Uses::Many).await.unwrap().token_use.is_none());
    }
}

#[tokio::test]
async fn only_the_trusted_service_is_taken_for_it() {
    let verifier = verifier(&Documents::with(Some(1), Some(1)));
    let trusted: Did = MODERATION.parse().unwrap();
    let labeler = format!("{MODERATION}#atproto_labeler");
    for (iss, byte, expected) in [
        (MODERATION, 1, Ok(())),
        (labeler.as_str(), 2, Ok(())),
        (labeler.as_str(), 1, Err(ServiceTokenError::Signature)),
        (ISSUER, 1, Err(ServiceTokenError::Untrusted)),
        ("did:web:mod.test#other", 1, Err(ServiceTokenError::Untrusted)),
        ("nobody", 1, Err(ServiceTokenError::Untrusted)),
    ] {
        let mut claims = claims();
        claims["iss"] = json!(iss);
        let token = jws::sign(&key(byte), &json!({}), &claims);
        let verified = verifier
            .verify(&token, METHOD, Issuer::Service(&trusted), Uses::Many)
            .await;
        assert_eq!(verified.map(|caller| caller.did).map(drop), expected, "{iss}");
    }
}
