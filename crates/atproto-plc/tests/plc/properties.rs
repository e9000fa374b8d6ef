//! Properties of random chains of operations.

use std::collections::BTreeMap;

use atproto_plc::audit;
use atproto_plc::state::Service;
use atproto_plc::{AuditEntry, Directory, History, Operation, State, UnsignedOperation};
use proptest::prelude::*;

use crate::support::{at, did_key, key};

fn any_state() -> impl Strategy<Value = State> {
    let service = (".{0,8}", ".{0,16}").prop_map(|(service_type, endpoint)| Service { service_type, endpoint });
    (
        prop::collection::vec(1..6_u8, 1..4),
        prop::collection::btree_map("[a-z]{1,12}", (1..6_u8).prop_map(did_key), 0..4),
        prop::collection::btree_set(".{0,20}", 0..4),
        prop::collection::btree_map(".{0,12}", service, 0..3),
    )
        .prop_map(
            |(rotation_keys, verification_methods, also_known_as, services): (Vec<u8>, BTreeMap<_, _>, _, _)| State {
                rotation_keys: rotation_keys.into_iter().map(did_key).collect(),
                verification_methods,
                also_known_as: also_known_as.into_iter().collect(),
                services,
            },
        )
}

/// Signs with the first rotation key of `keys` (they are all of keys 1 to 5).
fn sign(unsigned: UnsignedOperation, keys: &[String]) -> Operation {
    let signer = (1..6).find(|&number| did_key(number) == keys[0]).unwrap();
    unsigned.sign(&key(signer))
}

/// The operations that lead through `states`.
fn chain(states: &[State]) -> Vec<Operation> {
    let mut operations: Vec<Operation> = Vec::new();
    for state in states {
        let operation = match operations.last() {
            None => sign(UnsignedOperation::genesis(state.clone()), &state.rotation_keys),
            Some(previous) => {
                let keys = previous.state().unwrap().rotation_keys;
                sign(
                    UnsignedOperation::update_from(previous, |change| change.clone_from(state)).unwrap(),
                    &keys,
                )
            }
        };
        operations.push(operation);
    }
    operations
}

fn history(operations: &[Operation]) -> History {
    let did = operations[0].did_of_genesis();
    let mut history = History::begin(did.as_str(), operations[0].clone(), at(0)).unwrap();
    for (hour, operation) in (1..).zip(&operations[1..]) {
        history
            .push(operation.clone(), at(hour * crate::support::HOUR))
            .unwrap();
    }
    history
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_random_chain_verifies(states in prop::collection::vec(any_state(), 1..5)) {
        let history = history(&chain(&states));
        prop_assert_eq!(history.state(), states.last().cloned());
        let json = serde_json::to_vec(&history.to_audit_log()).unwrap();
        prop_assert_eq!(audit::verify_json(history.did(), &json).unwrap(), history);
    }

    #[test]
    fn json_round_trip(states in prop::collection::vec(any_state(), 1..3)) {
        for operation in chain(&states) {
            let read = Operation::from_json(operation.to_json().to_string().as_bytes()).unwrap();
            prop_assert_eq!(read.cid(), operation.cid());
            prop_assert_eq!(read, operation);
        }
    }

    #[test]
    fn any_changed_byte_is_noticed(
        states in prop::collection::vec(any_state(), 1..3),
        entry in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        change in 1..=255_u8,
    ) {
        let history = history(&chain(&states));
        let mut log = history.to_audit_log();
        let entry = entry.index(log.len());
        let mut json = serde_json::to_vec(&log[entry].operation).unwrap();
        let place = place.index(json.len());
        json[place] ^= change;
        // Most changes are no longer an operation; those that are must not verify, whether or not the CID is adjusted.
        let Ok(changed) = Operation::from_json(&json) else { return Ok(()) };
        if changed == log[entry].operation {
            // The same operation in other words, such as another digit case in \u001F.
            prop_assert!(json[..place].ends_with(b"\\u00") || json[..place - 1].ends_with(b"\\u00"));
            return Ok(());
        }
        log[entry] = AuditEntry { operation: changed.clone(), ..log[entry].clone() };
        prop_assert!(audit::verify(history.did(), log.clone()).is_err());
        log[entry].cid = changed.cid();
        prop_assert!(audit::verify(history.did(), log).is_err());
    }

    #[test]
    fn a_directory_comes_back_from_its_lines(chains in prop::collection::vec(
        prop::collection::vec(any_state(), 1..3), 0..3,
    )) {
        let mut directory = Directory::default();
        let mut lines = String::new();
        for states in &chains {
            let operations = chain(states);
            let did = operations[0].did_of_genesis();
            for operation in operations {
                let before = directory.last_sequence();
                // Two equal chains are one DID, and its second genesis is refused.
                let taken = directory.submit(did.as_str(), &operation.to_json(), at(before));
                prop_assert_eq!(taken.is_ok(), directory.last_sequence() == before + 1);
                lines += &directory.to_json_lines(before);
            }
        }
        prop_assert_eq!(&lines, &directory.to_json_lines(0));
        prop_assert_eq!(Directory::from_json_lines(&lines, atproto_plc::directory::RateLimits::default()).unwrap(), directory);
    }
}
