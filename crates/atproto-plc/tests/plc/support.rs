//! Keys and operations that the tests share.

use atproto_data::SigningKey;
use atproto_data::crypto::Curve;
use atproto_plc::{Operation, State, Timestamp, UnsignedOperation};

pub(crate) const HOUR: u64 = 3_600 * 1_000_000;
/// 2025-01-01T00:00:00Z.
pub(crate) const START: u64 = 1_735_689_600_000_000;

/// The `number`th K-256 key; even numbers are P-256 keys.
pub(crate) fn key(number: u8) -> SigningKey {
    let curve = if number.is_multiple_of(2) {
        Curve::P256
    } else {
        Curve::K256
    };
    SigningKey::from_bytes(curve, &[number; 32]).unwrap()
}

pub(crate) fn did_key(number: u8) -> String {
    key(number).public_key().to_did_key()
}

/// An account whose rotation keys are those of `rotation_keys`, the most powerful first.
pub(crate) fn state(rotation_keys: &[u8]) -> State {
    let rotation_keys = rotation_keys.iter().map(|&number| did_key(number)).collect();
    State::for_account(
        &did_key(9),
        &"alice.test".parse().unwrap(),
        "https://pds.test",
        rotation_keys,
    )
}

pub(crate) fn genesis(rotation_keys: &[u8], signer: u8) -> Operation {
    UnsignedOperation::genesis(state(rotation_keys)).sign(&key(signer))
}

pub(crate) fn update(previous: &Operation, handle: &str, signer: u8) -> Operation {
    let change = |state: &mut State| state.set_handle(&handle.parse().unwrap());
    UnsignedOperation::update_from(previous, change)
        .unwrap()
        .sign(&key(signer))
}

pub(crate) fn tombstone(previous: &Operation, signer: u8) -> Operation {
    UnsignedOperation::tombstone(previous.cid()).sign(&key(signer))
}

pub(crate) fn at(micros_after_start: u64) -> Timestamp {
    Timestamp::from_micros(START + micros_after_start)
}
