//! What the four methods that write records have in common.

use std::fmt::Display;

use atproto_data::{AtIdentifier, Cid, Map, Nsid, RecordKey, Value};
use atproto_lexicon::{Catalogue, RecordInvalid, Validation, Validity, fill_type};
use serde::Serialize;

use crate::app::App;
use crate::identity::slurs;
use crate::repo::{CommitInfo, PreparedRecord, RecordSwap, RepoRef};
use crate::server::auth::Status;
use crate::server::{Access, Auth, Input, XrpcError};
use crate::xrpc::caller::Caller;

/// The size limit of the bodies of these methods, in bytes.
pub(super) const WRITE_LIMIT: usize = 1_000_000;

/// Where the record is in the body of the methods that write one.
pub(super) const RECORD_PATH: &str = "$.record";

/// Who may write records: the owner of an active account.
pub(super) const WRITE_AUTH: Auth = Auth::Access(Access::STANDARD.status(Status::Active));

/// A commit in an answer.
#[derive(Serialize)]
pub(super) struct CommitOutput {
    cid: String,
    rev: String,
}

/// A record that was written, in an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordOutput {
    pub(super) uri: String,
    pub(super) cid: String,
    /// Absent where the record was the same already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) commit: Option<CommitOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) validation_status: Option<&'static str>,
}

impl From<CommitInfo> for CommitOutput {
    fn from(commit: CommitInfo) -> Self {
        CommitOutput {
            cid: commit.cid.to_string(),
            rev: commit.rev.to_string(),
        }
    }
}

/// The caller's own repo, which the field `repo` has to name by DID or handle.
pub(super) async fn own_repo(app: &App, caller: &Caller, input: &Input) -> Result<RepoRef, XrpcError> {
    let named: AtIdentifier = input.required("repo")?;
    let own = &caller.access()?.account;
    if own.is_named(&named) {
        return Ok(RepoRef {
            account_id: own.account_id,
            repo_id: own.repo_id,
            did: own.did.clone(),
        });
    }
    match app
        .accounts
        .find(&named)
        .await
        .map_err(|error| XrpcError::internal(&error))?
    {
        Some(_) => Err(XrpcError::authentication_required()),
        None => Err(XrpcError::forbidden_as("AccountNotFound", "Account not found")),
    }
}

/// A record key that a caller chose.
pub(super) fn chosen_rkey(rkey: RecordKey) -> Result<RecordKey, XrpcError> {
    if slurs::is_in(rkey.as_str()) {
        return Err(XrpcError::invalid_request("Unacceptable slur in record key"));
    }
    Ok(rkey)
}

/// How records are to be validated (`validate`).
pub(super) fn validation(input: &Input) -> Result<Validation, XrpcError> {
    Ok(input.optional_flag("validate")?.into())
}

/// Validates, checks and encodes a record; `path` is its place in the body. Gives its `validationStatus` too.
pub(super) fn prepare(
    validation: Validation,
    collection: &Nsid,
    rkey: &RecordKey,
    mut record: Map,
    path: impl Display,
) -> Result<(PreparedRecord, Option<&'static str>), XrpcError> {
    let invalid = |error: RecordInvalid| XrpcError::invalid_request(error.to_string());
    fill_type(&mut record, collection).map_err(invalid)?;
    let validity = Catalogue::bundled()
        .validate(validation, collection, rkey, &record, path)
        .map_err(invalid)?;
    let record = PreparedRecord::new(collection, rkey, record);
    let record = record.map_err(|error| XrpcError::invalid_request(error.to_string()))?;
    Ok((record, validity.map(Validity::as_str)))
}

/// `swapCommit`.
pub(super) fn swap_commit(input: &Input) -> Result<Option<Cid>, XrpcError> {
    input.optional("swapCommit")
}

/// `swapRecord`: absent means anything, null means no record.
pub(super) fn swap_record(input: &Input) -> Result<RecordSwap, XrpcError> {
    match input.get("swapRecord") {
        None => Ok(RecordSwap::Any),
        Some(Value::Null) => Ok(RecordSwap::Absent),
        Some(_) => input.required("swapRecord").map(RecordSwap::At),
    }
}
