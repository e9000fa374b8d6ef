//! The DID document a directory serves.

use atproto_data::crypto::Curve;
use atproto_data::{Did, PublicKey};
use serde_json::{Value, json};

use crate::state::State;

const DID_CONTEXT: &str = "https://www.w3.org/ns/did/v1";
const MULTIKEY_CONTEXT: &str = "https://w3id.org/security/multikey/v1";
const K256_CONTEXT: &str = "https://w3id.org/security/suites/secp256k1-2019/v1";
const P256_CONTEXT: &str = "https://w3id.org/security/suites/ecdsa-2019/v1";

/// The DID document of a state (specification, "Presentation as DID Document"), in the form that plc.directory serves
/// today: keys as `Multikey` with full ids, services with ids relative to the document, a context for each key's curve.
pub fn render(did: &Did, state: &State) -> Value {
    let mut context = vec![DID_CONTEXT, MULTIKEY_CONTEXT];
    let mut verification_methods = Vec::with_capacity(state.verification_methods.len());
    for (id, key) in &state.verification_methods {
        if let Some(curve_context) = curve_context(key).filter(|curve_context| !context.contains(curve_context)) {
            context.push(curve_context);
        }
        verification_methods.push(json!({
            "id": format!("{did}#{id}"),
            "type": "Multikey",
            "controller": did.as_str(),
            "publicKeyMultibase": key.strip_prefix("did:key:").unwrap_or(key),
        }));
    }
    let services = state.services.iter().map(|(id, service)| {
        json!({
            "id": format!("#{id}"),
            "type": service.service_type,
            "serviceEndpoint": service.endpoint,
        })
    });
    json!({
        "@context": context,
        "id": did.as_str(),
        "alsoKnownAs": state.also_known_as,
        "verificationMethod": verification_methods,
        "service": services.collect::<Vec<_>>(),
    })
}

/// The context that defines keys of this curve; keys of other kinds are shown without one.
fn curve_context(did_key: &str) -> Option<&'static str> {
    let key = PublicKey::from_did_key(did_key).ok()?;
    Some(match key.curve() {
        Curve::K256 => K256_CONTEXT,
        Curve::P256 => P256_CONTEXT,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::state::Service;

    const K256_KEY: &str = "did:key:zQ3shXjHeiBuRCKmM36cuYnm7YEMzhGnCmCyW92sRJ9pribSF";
    const P256_KEY: &str = "did:key:zDnaet3CLvFwasyRn1qaCJec6XDqh2pXE4fUoJpG19H9xauUf";

    fn did() -> Did {
        "did:plc:yk4dd2qkboz2yv6tpubpc6co".parse().unwrap()
    }

    #[test]
    fn account_document() {
        let state = State::for_account(
            K256_KEY,
            &"dholms.xyz".parse().unwrap(),
            "https://bsky.social",
            Vec::new(),
        );
        let expected = json!({
            "@context": [
                "https://www.w3.org/ns/did/v1",
                "https://w3id.org/security/multikey/v1",
                "https://w3id.org/security/suites/secp256k1-2019/v1",
            ],
            "id": "did:plc:yk4dd2qkboz2yv6tpubpc6co",
            "alsoKnownAs": ["at://dholms.xyz"],
            "verificationMethod": [{
                "id": "did:plc:yk4dd2qkboz2yv6tpubpc6co#atproto",
                "type": "Multikey",
                "controller": "did:plc:yk4dd2qkboz2yv6tpubpc6co",
                "publicKeyMultibase": "zQ3shXjHeiBuRCKmM36cuYnm7YEMzhGnCmCyW92sRJ9pribSF",
            }],
            "service": [{
                "id": "#atproto_pds",
                "type": "AtprotoPersonalDataServer",
                "serviceEndpoint": "https://bsky.social",
            }],
        });
        assert_eq!(render(&did(), &state), expected);
    }

    #[test]
    fn one_context_for_each_curve() {
        let mut state = State::default();
        for (id, key) in [
            ("a", P256_KEY),
            ("b", K256_KEY),
            ("c", P256_KEY),
            ("d", "did:key:z6Mkabc"),
        ] {
            state.verification_methods.insert(id.to_owned(), key.to_owned());
        }
        state.services.insert(
            "x".to_owned(),
            Service {
                service_type: "T".to_owned(),
                endpoint: "e".to_owned(),
            },
        );
        let document = render(&did(), &state);
        assert_eq!(
            document["@context"],
            json!([DID_CONTEXT, MULTIKEY_CONTEXT, P256_CONTEXT, K256_CONTEXT])
        );
        assert_eq!(document["verificationMethod"][3]["publicKeyMultibase"], "z6Mkabc");
        assert_eq!(
            document["service"],
            json!([{"id": "#x", "type": "T", "serviceEndpoint": "e"}])
        );
    }
}
