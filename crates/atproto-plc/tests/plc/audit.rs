//! What a directory may not claim, even if every operation is in order.

use atproto_plc::audit::{self, AuditError, MAX_AUDIT_LOG_BYTES, MAX_AUDIT_LOG_ENTRIES};
use atproto_plc::history::RuleError;
use atproto_plc::{AuditEntry, History};

use crate::support::{HOUR, at, genesis, update};

/// A log of three operations, an hour apart.
fn log() -> Vec<AuditEntry> {
    let first = genesis(&[1, 2], 2);
    let second = update(&first, "bob.test", 2);
    let third = update(&second, "carol.test", 2);
    let mut history = History::begin(first.did_of_genesis().as_str(), first, at(0)).unwrap();
    history.push(second, at(HOUR)).unwrap();
    history.push(third, at(2 * HOUR)).unwrap();
    history.to_audit_log()
}

/// Verifies the log after a change.
fn verify(change: impl FnOnce(&mut Vec<AuditEntry>)) -> Result<History, AuditError> {
    let mut log = log();
    let did = log[0].did.clone();
    change(&mut log);
    audit::verify(&did, log)
}

#[test]
fn an_honest_log() {
    assert_eq!(
        verify(|_| ()).unwrap().state().unwrap().also_known_as,
        ["at://carol.test"]
    );
    // A directory may hold back the newest operations: nothing in a log can show that.
    assert!(verify(|log| log.truncate(2)).is_ok());
}

#[test]
fn dishonest_logs() {
    assert!(matches!(verify(Vec::clear), Err(AuditError::Empty)));
    let missing = verify(|log| _ = log.remove(1));
    assert!(matches!(
        missing,
        Err(AuditError::Rule {
            index: 1,
            source: RuleError::Misordered
        })
    ));
    let headless = verify(|log| _ = log.remove(0));
    assert!(matches!(headless, Err(AuditError::Rule { index: 0, .. })));
    let other_did = verify(|log| log[1].did = "did:plc:yk4dd2qkboz2yv6tpubpc6co".parse().unwrap());
    assert!(matches!(other_did, Err(AuditError::OtherDid { index: 1 })));
    let wrong_cid = verify(|log| log[2].cid = log[1].cid);
    assert!(matches!(wrong_cid, Err(AuditError::WrongCid { index: 2, .. })));
    let time = verify(|log| log[2].created_at = at(HOUR - 1000));
    assert!(matches!(time, Err(AuditError::TimeRunsBack { index: 2 })));
    let mark = verify(|log| log[2].nullified = true);
    assert!(matches!(
        mark,
        Err(AuditError::WrongNullified {
            index: 2,
            nullified: true
        })
    ));
}

#[test]
fn limits() {
    let long = verify(|log| *log = vec![log[0].clone(); MAX_AUDIT_LOG_ENTRIES + 1]);
    assert!(matches!(long, Err(AuditError::TooLarge)));
    let did = log()[0].did.clone();
    let bytes = vec![b' '; MAX_AUDIT_LOG_BYTES + 1];
    assert!(matches!(audit::verify_json(&did, &bytes), Err(AuditError::TooLarge)));
    assert!(matches!(audit::verify_json(&did, b"{}"), Err(AuditError::Invalid(_))));
}
