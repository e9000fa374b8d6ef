//! A directory's answers, limits and file.

use atproto_plc::directory::{ExportCursor, RateLimits, StorageErrorReason};
use atproto_plc::{Directory, DirectoryError, Operation};
use serde_json::{Value, json};

use crate::support::{HOUR, at, genesis, tombstone, update};

fn submit(directory: &mut Directory, did: &str, operation: &Operation, micros: u64) -> Result<(), DirectoryError> {
    directory.submit(did, &operation.to_json(), at(micros))
}

/// A directory with one DID, its name and its genesis operation.
fn registered(rate_limits: RateLimits) -> (Directory, String, Operation) {
    let mut directory = Directory::with_rate_limits(rate_limits);
    let first = genesis(&[1, 2], 2);
    let did = first.did_of_genesis().to_string();
    submit(&mut directory, &did, &first, 0).unwrap();
    (directory, did, first)
}

fn error(status: u16, message: &str) -> DirectoryError {
    DirectoryError {
        status,
        message: message.to_owned(),
    }
}

#[test]
fn an_account_from_genesis_to_tombstone() {
    let (mut directory, did, first) = registered(RateLimits::default());
    let second = update(&first, "bob.test", 2);
    submit(&mut directory, &did, &second, HOUR).unwrap();

    let document = directory.document(&did).unwrap();
    assert_eq!(document["id"], json!(did));
    assert_eq!(document["alsoKnownAs"], json!(["at://bob.test"]));
    let mut data = serde_json::to_value(second.state().unwrap()).unwrap();
    data["did"] = json!(did);
    assert_eq!(directory.data(&did).unwrap(), data);
    assert_eq!(directory.log(&did).unwrap(), json!([first.to_json(), second.to_json()]));
    assert_eq!(directory.last(&did).unwrap(), second.to_json());

    let end = tombstone(&second, 2);
    submit(&mut directory, &did, &end, 2 * HOUR).unwrap();
    let gone = error(404, &format!("DID not available: {did}"));
    assert_eq!(directory.document(&did), Err(gone.clone()));
    assert_eq!(directory.data(&did), Err(gone));
    assert_eq!(directory.last(&did).unwrap(), end.to_json());
    assert_eq!(directory.log(&did).unwrap().as_array().unwrap().len(), 3);
}

#[test]
fn unknown_dids_are_not_registered() {
    let directory = Directory::default();
    let did = "did:plc:yk4dd2qkboz2yv6tpubpc6co";
    let unknown = error(404, "DID not registered: did:plc:yk4dd2qkboz2yv6tpubpc6co");
    for answer in [
        directory.document(did),
        directory.data(did),
        directory.log(did),
        directory.audit_log(did),
        directory.last(did),
    ] {
        assert_eq!(answer, Err(unknown.clone()));
    }
}

#[test]
fn recovery_shows_in_the_logs() {
    let (mut directory, did, first) = registered(RateLimits::default());
    let stolen = update(&first, "stolen.test", 2);
    let saved = update(&first, "saved.test", 1);
    submit(&mut directory, &did, &stolen, HOUR).unwrap();
    submit(&mut directory, &did, &saved, 2 * HOUR).unwrap();
    assert_eq!(directory.log(&did).unwrap(), json!([first.to_json(), saved.to_json()]));
    let audit_log = directory.audit_log(&did).unwrap();
    let nullified: Vec<&Value> = audit_log
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["nullified"])
        .collect();
    assert_eq!(nullified, [&json!(false), &json!(true), &json!(false)]);
    assert_eq!(audit_log[1]["createdAt"], json!("2025-01-01T01:00:00.000Z"));
    assert_eq!(audit_log[1]["cid"], json!(stolen.cid().to_string()));
    assert!(atproto_plc::audit::verify_json(&did.parse().unwrap(), audit_log.to_string().as_bytes()).is_ok());
}

#[test]
fn times_of_a_did_rise_even_if_the_clock_does_not() {
    let (mut directory, did, first) = registered(RateLimits::default());
    submit(&mut directory, &did, &update(&first, "stolen.test", 2), 0).unwrap();
    submit(&mut directory, &did, &update(&first, "saved.test", 1), 0).unwrap();
    let audit_log = directory.audit_log(&did).unwrap();
    assert_eq!(audit_log[2]["createdAt"], json!("2025-01-01T00:00:00.002Z"));
}

#[test]
fn refusals() {
    let (mut directory, did, first) = registered(RateLimits::default());
    let before = directory.clone();
    let second = update(&first, "bob.test", 2);
    let unsigned_by_owner = update(&first, "bob.test", 3);
    let mut extra = second.to_json();
    extra["extra"] = json!(1);
    let mut no_prev = first.to_json();
    no_prev.as_object_mut().unwrap().remove("prev");
    for (operation, message) in [
        (json!({}), "not a valid operation: missing field `type`"),
        (json!([]), "not a valid operation: "),
        (extra, "not a valid operation: unknown field `extra`"),
        (no_prev, "not a valid operation: missing field `prev`"),
        (first.to_json(), "operations not correctly ordered"),
        (unsigned_by_owner.to_json(), "invalid signature"),
        (
            update(&second, "bob.test", 2).to_json(),
            "operations not correctly ordered",
        ),
    ] {
        let error = directory.submit(&did, &operation, at(HOUR)).unwrap_err();
        assert_eq!(error.status, 400);
        assert!(error.message.starts_with(message), "{}", error.message);
    }
    let other = "did:plc:yk4dd2qkboz2yv6tpubpc6co";
    let error = submit(&mut directory, other, &first, HOUR).unwrap_err();
    assert!(error.message.ends_with(&did), "{}", error.message);
    assert_eq!(directory, before);
}

#[test]
fn hourly_daily_and_weekly_limits() {
    let (mut directory, did, first) = registered(RateLimits {
        hour: 2,
        day: 3,
        week: 5,
    });
    let mut previous = first;
    let mut submit_next = |directory: &mut Directory, micros: u64| {
        let next = update(&previous, &format!("h{micros}.test"), 2);
        let result = submit(directory, &did, &next, micros).map_err(|error| error.message);
        if result.is_ok() {
            previous = next;
        }
        result
    };
    let refused = |period: &str, max: u8| Err(format!("too many operations within last {period} (max {max})"));
    assert_eq!(submit_next(&mut directory, HOUR / 2), Ok(()));
    assert_eq!(submit_next(&mut directory, HOUR - 1000), refused("hour", 2));
    assert_eq!(submit_next(&mut directory, HOUR), Ok(()));
    assert_eq!(submit_next(&mut directory, 23 * HOUR), refused("day", 3));
    assert_eq!(submit_next(&mut directory, 48 * HOUR), Ok(()));
    assert_eq!(submit_next(&mut directory, 60 * HOUR), Ok(()));
    assert_eq!(submit_next(&mut directory, 100 * HOUR), refused("week", 5));
    assert_eq!(submit_next(&mut directory, 7 * 24 * HOUR), Ok(()));
}

#[test]
fn recovery_is_not_limited() {
    let (mut directory, did, first) = registered(RateLimits {
        hour: 2,
        day: 2,
        week: 2,
    });
    submit(&mut directory, &did, &update(&first, "stolen.test", 2), 1000).unwrap();
    submit(&mut directory, &did, &update(&first, "saved.test", 1), 2000).unwrap();
}

#[test]
fn exports() {
    let (mut directory, did, first) = registered(RateLimits::default());
    let second = update(&first, "bob.test", 2);
    submit(&mut directory, &did, &second, HOUR).unwrap();
    let entry = json!({
        "type": "sequenced_op",
        "seq": 2,
        "did": did,
        "operation": second.to_json(),
        "cid": second.cid().to_string(),
        "createdAt": "2025-01-01T01:00:00.000Z",
    });
    assert_eq!(directory.export(ExportCursor::Sequence(1), 10), [entry]);
    assert_eq!(directory.export(ExportCursor::Sequence(0), 1)[0]["seq"], json!(1));
    assert!(directory.export(ExportCursor::Sequence(2), 10).is_empty());
    assert!(directory.export(ExportCursor::Sequence(u64::MAX), 10).is_empty());

    let by_time = directory.export(ExportCursor::Time(None), 10);
    assert_eq!(Value::from(by_time), directory.audit_log(&did).unwrap());
    let after_first = directory.export(ExportCursor::Time(Some(at(0))), 10);
    assert_eq!(after_first, [directory.audit_log(&did).unwrap()[1].clone()]);
}

#[test]
fn export_cursors() {
    assert_eq!(ExportCursor::from_query(None), Ok(ExportCursor::Time(None)));
    assert_eq!(ExportCursor::from_query(Some("17")), Ok(ExportCursor::Sequence(17)));
    let time = ExportCursor::from_query(Some("2025-01-01T00:00:00.000Z"));
    assert_eq!(time, Ok(ExportCursor::Time(Some(at(0)))));
    for after in ["yesterday", "-1", "99999999999999999999"] {
        assert_eq!(
            ExportCursor::from_query(Some(after)),
            Err(error(400, "Invalid after parameter")),
            "{after}"
        );
    }
}

#[test]
fn the_file_comes_back_with_recoveries() {
    let (mut directory, did, first) = registered(RateLimits::default());
    submit(&mut directory, &did, &update(&first, "stolen.test", 2), HOUR).unwrap();
    submit(&mut directory, &did, &update(&first, "saved.test", 1), 2 * HOUR).unwrap();
    let lines = directory.to_json_lines(0);
    assert_eq!(lines.lines().count(), 3);
    assert_eq!(
        Directory::from_json_lines(&lines, RateLimits::default()).unwrap(),
        directory
    );
    assert_eq!(
        directory.to_json_lines(2),
        format!("{}\n", lines.lines().last().unwrap())
    );
}

#[test]
fn a_damaged_file_is_refused() {
    let (mut directory, did, first) = registered(RateLimits::default());
    submit(&mut directory, &did, &update(&first, "bob.test", 2), HOUR).unwrap();
    let lines = directory.to_json_lines(0);
    let second = lines.lines().last().unwrap();
    let read = |lines: &str| Directory::from_json_lines(lines, RateLimits::default()).unwrap_err();
    assert!(matches!(
        read(second).reason,
        StorageErrorReason::Sequence { expected: 1 }
    ));
    assert!(matches!(
        read(&lines.replace("bob.test", "eve.test")).reason,
        StorageErrorReason::WrongCid
    ));
    let torn = read(&lines[..lines.len() - 10]);
    assert!(matches!(torn.reason, StorageErrorReason::Invalid(_)));
    assert_eq!(torn.line, 2);
    let alone = second.replace("\"seq\":2", "\"seq\":1");
    assert!(matches!(read(&alone).reason, StorageErrorReason::Rule(_)));
}
