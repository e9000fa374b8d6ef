//! Who may follow whom: order, signatures, recovery, tombstones.

use atproto_plc::history::{RECOVERY_WINDOW_MICROS, RuleError};
use atproto_plc::{History, Operation, UnsignedOperation};

use crate::support::{HOUR, at, did_key, genesis, key, state, tombstone, update};

fn begin(genesis: &Operation) -> Result<History, RuleError> {
    History::begin(genesis.did_of_genesis().as_str(), genesis.clone(), at(0))
}

/// Keys 1 (strongest), 2, 3; genesis at 0 h signed by 1, an update at 1 h signed by 2.
fn disputed() -> (History, Operation) {
    let first = genesis(&[1, 2, 3], 1);
    let mut history = begin(&first).unwrap();
    history.push(update(&first, "stolen.test", 2), at(HOUR)).unwrap();
    (history, first)
}

#[test]
fn genesis_rules() {
    let first = genesis(&[1, 2], 2);
    assert_eq!(begin(&first).unwrap().state(), Some(state(&[1, 2])));
    assert_eq!(begin(&genesis(&[1, 2], 3)), Err(RuleError::Signature));
    assert_eq!(begin(&genesis(&[], 1)), Err(RuleError::Signature));
    let expected = first.did_of_genesis();
    let other = History::begin("did:plc:yk4dd2qkboz2yv6tpubpc6co", first.clone(), at(0));
    assert_eq!(other, Err(RuleError::GenesisHash { expected }));
    assert_eq!(begin(&update(&first, "bob.test", 1)), Err(RuleError::GenesisPrev));
    assert_eq!(begin(&tombstone(&first, 1)), Err(RuleError::Misordered));
}

#[test]
fn updates_are_signed_by_the_previous_operations_keys() {
    let first = genesis(&[1, 2], 1);
    let mut history = begin(&first).unwrap();
    let rotate = |state: &mut atproto_plc::State| state.rotation_keys = vec![did_key(3)];
    let unsigned = UnsignedOperation::update_from(&first, rotate).unwrap();
    assert_eq!(
        history.push(unsigned.clone().sign(&key(3)), at(1)),
        Err(RuleError::Signature)
    );
    let second = unsigned.sign(&key(2));
    history.push(second.clone(), at(1)).unwrap();
    assert_eq!(
        history.push(update(&second, "bob.test", 1), at(2)),
        Err(RuleError::Signature)
    );
    history.push(update(&second, "bob.test", 3), at(2)).unwrap();
    assert_eq!(history.state().unwrap().also_known_as, ["at://bob.test"]);
}

#[test]
fn unknown_prev_and_second_genesis() {
    let first = genesis(&[1], 1);
    let mut history = begin(&first).unwrap();
    assert_eq!(history.push(first.clone(), at(1)), Err(RuleError::Misordered));
    let elsewhere = genesis(&[1, 1], 1);
    assert_eq!(
        history.push(update(&elsewhere, "bob.test", 1), at(1)),
        Err(RuleError::Misordered)
    );
}

#[test]
fn a_stronger_key_recovers_within_72_hours() {
    let (mut history, first) = disputed();
    history
        .push(update(&first, "saved.test", 1), at(HOUR + RECOVERY_WINDOW_MICROS))
        .unwrap();
    let nullified: Vec<bool> = history.entries().iter().map(|entry| entry.nullified).collect();
    assert_eq!(nullified, [false, true, false]);
    assert_eq!(history.state().unwrap().also_known_as, ["at://saved.test"]);
}

#[test]
fn recovery_after_72_hours_is_refused() {
    let (mut history, first) = disputed();
    let late = at(HOUR + RECOVERY_WINDOW_MICROS + 1000);
    let expected = RuleError::LateRecovery {
        elapsed_micros: RECOVERY_WINDOW_MICROS + 1000,
    };
    assert_eq!(history.push(update(&first, "saved.test", 1), late), Err(expected));
}

#[test]
fn recovery_needs_a_stronger_key_and_a_later_time() {
    let (mut history, first) = disputed();
    for signer in [2, 3, 4] {
        let attempt = history.push(update(&first, "mine.test", signer), at(2 * HOUR));
        assert_eq!(attempt, Err(RuleError::Signature), "key {signer}");
    }
    assert_eq!(
        history.push(update(&first, "saved.test", 1), at(HOUR)),
        Err(RuleError::Misordered)
    );
}

#[test]
fn the_window_counts_from_the_first_operation_undone() {
    let (mut history, first) = disputed();
    let stolen = history.last().operation.clone();
    history.push(update(&stolen, "further.test", 3), at(70 * HOUR)).unwrap();
    let late = history.push(update(&first, "saved.test", 1), at(74 * HOUR));
    assert_eq!(
        late,
        Err(RuleError::LateRecovery {
            elapsed_micros: 73 * HOUR
        })
    );
    // Only the newer operation can still be undone, by a key stronger than the one that signed it.
    history.push(update(&stolen, "partly.test", 2), at(74 * HOUR)).unwrap();
    assert_eq!(history.standing().count(), 3);
}

#[test]
fn tombstones_end_a_did_unless_undone() {
    let first = genesis(&[1, 2], 1);
    let mut history = begin(&first).unwrap();
    let end = tombstone(&first, 2);
    assert!(UnsignedOperation::update_from(&end, |_| ()).is_err());
    history.push(end.clone(), at(HOUR)).unwrap();
    assert_eq!(history.state(), None);
    assert_eq!(
        history.push(tombstone(&end, 1), at(2 * HOUR)),
        Err(RuleError::Misordered)
    );
    history.push(update(&first, "back.test", 1), at(2 * HOUR)).unwrap();
    assert!(history.state().is_some());
    assert_eq!(
        history.push(tombstone(&end, 1), at(3 * HOUR)),
        Err(RuleError::Misordered)
    );
}
