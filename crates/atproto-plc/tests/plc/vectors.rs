//! The method's interoperability vectors: audit logs that must verify, and logs that must not.

use std::fs;
use std::path::PathBuf;

use atproto_data::Did;
use atproto_plc::audit::{self, AuditError};
use atproto_plc::directory::RateLimits;
use atproto_plc::history::RuleError;
use atproto_plc::{Directory, History, Operation, Timestamp};
use serde_json::Value;

/// The logs in a folder of the vectors as (name, JSON), or nothing if the vectors are not here.
fn logs(folder: &str) -> Vec<(String, String)> {
    let vectors = std::env::var_os("PDS_VECTORS_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors")),
        PathBuf::from,
    );
    let folder = vectors.join("plc").join(folder);
    if !folder.is_dir() {
        assert!(
            std::env::var_os("CI").is_none(),
            "vectors missing at {}",
            folder.display()
        );
        println!("NOT RUN: vectors missing at {}", folder.display());
        return Vec::new();
    }
    let mut logs: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_stem().unwrap().to_str().unwrap().to_owned(),
                fs::read_to_string(path).unwrap(),
            )
        })
        .collect();
    logs.sort();
    assert!(!logs.is_empty(), "no vectors in {}", folder.display());
    logs
}

fn did_of(json: &str) -> Did {
    let log: Value = serde_json::from_str(json).unwrap();
    log[0]["did"].as_str().unwrap().parse().unwrap()
}

fn verify(json: &str) -> Result<History, AuditError> {
    audit::verify_json(&did_of(json), json.as_bytes())
}

#[test]
fn valid_logs_verify() {
    for (name, json) in logs("valid") {
        let history = verify(&json).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(history.state().is_none(), name == "log_tombstone", "{name}");
        let written = serde_json::to_value(history.to_audit_log()).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(&json).unwrap(), "{name}");
    }
}

#[test]
fn invalid_logs_are_refused_for_the_right_reason() {
    for (name, json) in logs("invalid") {
        let error = verify(&json).err().unwrap_or_else(|| panic!("{name} verifies"));
        let expected = match name.as_str() {
            "log_invalid_nullification_too_slow" => matches!(
                error,
                AuditError::Rule {
                    source: RuleError::LateRecovery { .. },
                    ..
                }
            ),
            "log_invalid_update_nullified" | "log_invalid_update_tombstoned" => {
                matches!(
                    error,
                    AuditError::Rule {
                        source: RuleError::Misordered,
                        ..
                    }
                )
            }
            "log_invalid_nullification_reused_key" // A DER signature that happens to be 64 bytes long.
 | "log_invalid_sig_der"
 | "log_invalid_sig_k256_high_s" | "log_invalid_sig_p256_high_s" => {
                matches!(
                    error,
                    AuditError::Rule {
                        source: RuleError::Signature,
                        ..
                    }
                )
            }
            // Other spellings of base64 are refused before anything is verified.
            _ => name.starts_with("log_invalid_sig") && error.to_string().contains("base64url"),
        };
        assert!(expected, "{name}: {error:?}");
    }
}

#[test]
fn a_wrong_mark_is_refused() {
    for (name, json) in logs("valid") {
        let flipped = if json.contains("\"nullified\": true") {
            json.replacen("\"nullified\": true", "\"nullified\": false", 1)
        } else {
            json.replacen("\"nullified\": false", "\"nullified\": true", 1)
        };
        assert!(
            matches!(verify(&flipped), Err(AuditError::WrongNullified { .. })),
            "{name}"
        );
    }
}

#[test]
fn operations_keep_their_cid_through_json() {
    for (name, json) in logs("valid") {
        for entry in serde_json::from_str::<Vec<Value>>(&json).unwrap() {
            let operation = Operation::from_json(entry["operation"].to_string().as_bytes()).unwrap();
            assert_eq!(operation.cid().to_string(), entry["cid"].as_str().unwrap(), "{name}");
            assert_eq!(operation.to_json(), entry["operation"], "{name}");
        }
    }
}

/// Submits the log as its DID's owner would have; the error is the first refusal.
fn replay(json: &str) -> Result<Directory, String> {
    let mut directory = Directory::with_rate_limits(RateLimits::NONE);
    for entry in serde_json::from_str::<Vec<Value>>(json).unwrap() {
        let now: Timestamp = entry["createdAt"].as_str().unwrap().parse().unwrap();
        directory
            .submit(entry["did"].as_str().unwrap(), &entry["operation"], now)
            .map_err(|error| error.message)?;
    }
    Ok(directory)
}

#[test]
fn a_directory_takes_the_valid_logs() {
    for (name, json) in logs("valid") {
        if name == "log_legacy_dholms" {
            assert!(replay(&json).unwrap_err().contains("deprecated"), "{name}");
            continue;
        }
        let directory = replay(&json).unwrap_or_else(|error| panic!("{name}: {error}"));
        let audit_log = directory.audit_log(did_of(&json).as_str()).unwrap();
        assert_eq!(audit_log, serde_json::from_str::<Value>(&json).unwrap(), "{name}");
    }
}

#[test]
fn a_directory_refuses_the_invalid_logs() {
    for (name, json) in logs("invalid") {
        assert!(replay(&json).is_err(), "{name}");
    }
}
