//! What a directory takes, whoever signed it.

use atproto_plc::directory::{ConstraintError, MAX_OPERATION_BYTES, check};
use atproto_plc::state::Service;
use atproto_plc::{Operation, State, UnsignedOperation};

use crate::support::{did_key, key, state};

/// What `change` to an ordinary state makes [`check`] say.
fn checked(change: impl FnOnce(&mut State)) -> Result<(), ConstraintError> {
    let mut changed = state(&[1]);
    change(&mut changed);
    check(&UnsignedOperation::genesis(changed).sign(&key(1)))
}

#[test]
fn constraints() {
    let too_many = |field, limit| Err(ConstraintError::TooMany { field, limit });
    let too_long = |field, limit| Err(ConstraintError::TooLong { field, limit });
    let service = |service_type: &str, endpoint: &str| Service {
        service_type: service_type.to_owned(),
        endpoint: endpoint.to_owned(),
    };
    assert_eq!(checked(|_| ()), Ok(()));
    assert_eq!(checked(|state| state.rotation_keys = vec![did_key(1); 10]), Ok(()));
    assert_eq!(
        checked(|state| state.rotation_keys = vec![did_key(1); 11]),
        too_many("rotationKey", 10)
    );
    assert_eq!(checked(|state| state.rotation_keys.clear()), Ok(()));
    assert_eq!(
        checked(|state| state.rotation_keys = vec!["did:key:z6Mk".to_owned()]),
        Err(ConstraintError::RotationKey("did:key:z6Mk".to_owned()))
    );
    let names = |count: usize| {
        (0..count)
            .map(|number| format!("at://{number}.test"))
            .collect::<Vec<_>>()
    };
    assert_eq!(checked(|state| state.also_known_as = names(10)), Ok(()));
    assert_eq!(
        checked(|state| state.also_known_as = names(11)),
        too_many("alsoKnownAs", 10)
    );
    assert_eq!(checked(|state| state.also_known_as = vec!["é".repeat(258)]), Ok(()));
    assert_eq!(
        checked(|state| state.also_known_as = vec!["é".repeat(259)]),
        too_long("alsoKnownAs entry", 258)
    );
    assert_eq!(
        checked(|state| state.also_known_as = vec!["a".to_owned(), "a".to_owned()]),
        Err(ConstraintError::DuplicateName("a".to_owned()))
    );
    for (id, service, expected) in [
        ("a".repeat(33), service("", ""), too_long("service id", 32)),
        (
            "a".to_owned(),
            service(&"a".repeat(257), ""),
            too_long("service type", 256),
        ),
        (
            "a".to_owned(),
            service("", &"a".repeat(513)),
            too_long("service endpoint", 512),
        ),
        ("a".repeat(32), service(&"a".repeat(256), &"a".repeat(512)), Ok(())),
    ] {
        assert_eq!(checked(|state| _ = state.services.insert(id, service)), expected);
    }
    let many = (0..11).map(|number| (number.to_string(), service("", ""))).collect();
    assert_eq!(checked(|state| state.services = many), too_many("service", 10));
}

#[test]
fn verification_methods_may_be_of_any_kind_of_key() {
    let with = |id: &str, key: &str| {
        let (id, key) = (id.to_owned(), key.to_owned());
        checked(|state| _ = state.verification_methods.insert(id, key))
    };
    assert_eq!(
        with("a", "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"),
        Ok(())
    );
    for key in ["did:key:", "did:key:z", "did:key:z0OIl", "did:key:mAAAA", "z6Mk", ""] {
        assert_eq!(with("a", key), Err(ConstraintError::VerificationMethod(key.to_owned())));
    }
    let limit = ConstraintError::TooLong {
        field: "verificationMethod id",
        limit: 32,
    };
    assert_eq!(with(&"a".repeat(33), "did:key:z6Mk"), Err(limit));
    let limit = ConstraintError::TooLong {
        field: "verificationMethod key",
        limit: 256,
    };
    assert_eq!(with("a", &format!("did:key:z{}", "2".repeat(248))), Err(limit));
}

/// An operation with eight services; the first one's endpoint has `length` bytes, the others' 480.
fn sized(length: usize) -> Operation {
    let service = |number: usize| {
        let endpoint = "a".repeat(if number == 0 { length } else { 480 });
        (
            number.to_string(),
            Service {
                service_type: String::new(),
                endpoint,
            },
        )
    };
    let services = (0..8).map(service).collect();
    UnsignedOperation::genesis(State {
        services,
        ..State::default()
    })
    .sign(&key(1))
}

#[test]
fn size_limit() {
    // Between 256 and 512 bytes, one more byte of text is one more byte of DAG-CBOR.
    let largest = 256 + MAX_OPERATION_BYTES - sized(256).to_cbor().len();
    assert!((256..512).contains(&largest));
    assert_eq!(check(&sized(largest)), Ok(()));
    assert_eq!(check(&sized(largest + 1)), Err(ConstraintError::TooLarge));
}
