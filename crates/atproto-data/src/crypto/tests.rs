#![expect(clippy::unwrap_used, reason = "tests")]

use k256::ecdsa::signature::Signer as _;
use proptest::prelude::*;

use super::*;

const CURVES: [Curve; 2] = [Curve::K256, Curve::P256];

fn key(curve: Curve) -> SigningKey {
    SigningKey::from_bytes(curve, &[7; 32]).unwrap()
}

/// The other signature that the algorithm accepts: `s` becomes the curve's order minus `s`.
fn with_high_s(curve: Curve, signature: [u8; 64]) -> Vec<u8> {
    match curve {
        Curve::K256 => {
            let (r, s) = k256::ecdsa::Signature::from_slice(&signature).unwrap().split_scalars();
            k256::ecdsa::Signature::from_scalars(r, -s).unwrap().to_vec()
        }
        Curve::P256 => {
            let (r, s) = p256::ecdsa::Signature::from_slice(&signature).unwrap().split_scalars();
            p256::ecdsa::Signature::from_scalars(r, -s).unwrap().to_vec()
        }
    }
}

#[test]
fn signs_with_low_s_and_verifies() {
    for curve in CURVES {
        let public = key(curve).public_key();
        // A signature without normalisation would have a high `s` every other time.
        for message in 0..16_u8 {
            let signature = key(curve).sign(&[message]);
            assert_eq!(public.verify(&[message], &signature), Ok(()));
            assert_eq!(public.verify_malleable(&[message], &signature), Ok(()));
            assert_eq!(public.verify(&[message, 0], &signature), Err(SignatureError));
            let malleated = with_high_s(curve, signature);
            assert_eq!(public.verify(&[message], &malleated), Err(SignatureError));
            assert_eq!(public.verify_malleable(&[message], &malleated), Ok(()));
        }
    }
}

proptest! {
    #[test]
    fn another_implementation_of_k256_agrees(secret: [u8; 32], message: Vec<u8>, other: [u8; 64]) {
        let Ok(ours) = SigningKey::from_bytes(Curve::K256, &secret) else {
            prop_assert!(k256::ecdsa::SigningKey::from_slice(&secret).is_err());
            return Ok(());
        };
        let theirs = k256::ecdsa::SigningKey::from_slice(&secret).unwrap();
        let signature: k256::ecdsa::Signature = theirs.sign(&message);
        prop_assert_eq!(&ours.sign(&message)[..], &signature.to_bytes()[..]);
        let point = theirs.verifying_key().to_sec1_point(false);
        let public = PublicKey::from_uncompressed_or_compressed(Curve::K256, point.as_bytes()).unwrap();
        prop_assert_eq!(&public, &ours.public_key());
        prop_assert_eq!(public.verify(&message, &signature.to_bytes()), Ok(()));
        prop_assert_eq!(public.verify_malleable(&message, &other), Err(SignatureError));
    }
}

#[test]
fn refuses_signatures_of_other_form() {
    for curve in CURVES {
        let public = key(curve).public_key();
        let signature = key(curve).sign(b"m");
        let der = match curve {
            Curve::K256 => k256::ecdsa::Signature::from_slice(&signature)
                .unwrap()
                .to_der()
                .as_bytes()
                .to_vec(),
            Curve::P256 => p256::ecdsa::Signature::from_slice(&signature)
                .unwrap()
                .to_der()
                .as_bytes()
                .to_vec(),
        };
        let longer = [&signature[..], &[0]].concat();
        for refused in [&der[..], &longer, &signature[..63], &[], &[0; 64], &[255; 64]] {
            assert_eq!(public.verify(b"m", refused), Err(SignatureError));
            assert_eq!(public.verify_malleable(b"m", refused), Err(SignatureError));
        }
    }
}

#[test]
fn private_keys_round_trip_and_stay_secret() {
    for curve in CURVES {
        assert_eq!(*key(curve).to_bytes(), [7; 32]);
        assert_eq!(key(curve).curve(), curve);
        assert_eq!(format!("{:?}", key(curve)), format!("SigningKey({curve:?}, …)"));
        for invalid in [[0; 32], [255; 32]] {
            assert_eq!(
                SigningKey::from_bytes(curve, &invalid).unwrap_err(),
                KeyError::PrivateKey
            );
        }
    }
}

#[test]
fn public_keys_round_trip() {
    for (curve, prefix) in [(Curve::K256, "did:key:zQ3sh"), (Curve::P256, "did:key:zDna")] {
        let public = key(curve).public_key();
        let did_key = public.to_did_key();
        assert!(did_key.starts_with(prefix), "{did_key}");
        assert_eq!(PublicKey::from_did_key(&did_key), Ok(public.clone()));
        assert_eq!(PublicKey::from_multikey(&public.to_multikey()), Ok(public.clone()));
        assert_eq!(
            PublicKey::from_verification_method("Multikey", &public.to_multikey()),
            Ok(public.clone())
        );
        assert_eq!(public.curve(), curve);
        assert_eq!(format!("{public:?}"), format!("PublicKey({did_key})"));
    }
}

#[test]
fn refuses_what_is_no_public_key() {
    let multikey = key(Curve::K256).public_key().to_multikey();
    let encode = |bytes: &[u8]| format!("z{}", bs58::encode(bytes).into_string());
    let refused = [
        ("", KeyError::Multibase),
        (&multikey[1..], KeyError::Multibase),
        ("z0OIl", KeyError::Multibase),
        (&"z".repeat(1000), KeyError::Multibase),
        // ed25519
        ("z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", KeyError::Multicodec),
        (&encode(&[0xe7, 0x01]), KeyError::Point),
        (
            &encode(&[&[0xe7, 0x01, 0x02][..], &[255; 32]].concat()),
            KeyError::Point,
        ),
        (&encode(&[&[0xe7, 0x01, 0x05][..], &[1; 32]].concat()), KeyError::Point),
        (&encode(&[&[0xe7, 0x01, 0x04][..], &[1; 64]].concat()), KeyError::Point),
    ];
    for (text, error) in refused {
        assert_eq!(PublicKey::from_multikey(text), Err(error), "{text}");
    }
    assert_eq!(PublicKey::from_did_key(&multikey), Err(KeyError::NotDidKey));
    assert_eq!(
        PublicKey::from_verification_method("Other", &multikey),
        Err(KeyError::VerificationMethod)
    );
}
