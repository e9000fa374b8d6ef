//! The protocol's vectors of valid and invalid strings, one line each.

mod vectors;

use std::str::FromStr;

use atproto_data::syntax::{
    AtIdentifier, AtUri, CidString, Datetime, Did, Handle, Language, Nsid, RecordKey, SyntaxError, Tid, Uri,
};

fn lines(name: &str) -> Vec<String> {
    let text = vectors::read(&format!("syntax/{name}.txt")).unwrap_or_default();
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(ToOwned::to_owned)
        .collect()
}

fn check<T: FromStr<Err = SyntaxError>>(name: &str) {
    for line in lines(&format!("{name}_syntax_valid")) {
        assert!(line.parse::<T>().is_ok(), "must be valid: {line:?}");
    }
    check_invalid::<T>(&format!("{name}_syntax_invalid"));
}

fn check_invalid<T: FromStr<Err = SyntaxError>>(name: &str) {
    for line in lines(name) {
        assert!(line.parse::<T>().is_err(), "must be invalid: {line:?}");
    }
}

#[test]
fn at_identifier() {
    check::<AtIdentifier>("atidentifier");
}

#[test]
fn at_uri() {
    check::<AtUri>("aturi");
}

#[test]
fn cid_string() {
    check::<CidString>("cid");
}

#[test]
fn datetime() {
    check::<Datetime>("datetime");
    check_invalid::<Datetime>("datetime_parse_invalid");
}

#[test]
fn did() {
    check::<Did>("did");
}

#[test]
fn handle() {
    check::<Handle>("handle");
}

#[test]
fn language() {
    check::<Language>("language");
    check_invalid::<Language>("language_parse_invalid");
}

#[test]
fn nsid() {
    check::<Nsid>("nsid");
}

#[test]
fn record_key() {
    check::<RecordKey>("recordkey");
}

#[test]
fn tid() {
    check::<Tid>("tid");
}

#[test]
fn uri() {
    check::<Uri>("uri");
}
