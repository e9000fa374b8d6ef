//! What a moderator decides about: an account, a record or a blob.

use atproto_data::{AtUri, Cid, Did, Nsid, RecordKey};

use crate::account::Account;
use crate::app::App;
use crate::server::{Input, XrpcError};

const REPO_REF: &str = "com.atproto.admin.defs#repoRef";
const STRONG_REF: &str = "com.atproto.repo.strongRef";
const REPO_BLOB_REF: &str = "com.atproto.admin.defs#repoBlobRef";

/// The subject of a decision.
pub(super) enum Subject {
    /// An account with all it has.
    Account(Did),
    /// A record.
    Record(AtUri),
    /// A blob of an account.
    Blob(Did, Cid),
}

impl Subject {
    /// Reads the union of an input.
    pub(super) fn read(input: &Input) -> Result<Subject, XrpcError> {
        match input.required_str("$type")? {
            REPO_REF => Ok(Subject::Account(input.required("did")?)),
            STRONG_REF => {
                // Which version was meant does not matter: a takedown stays with the record.
                input.required::<Cid>("cid")?;
                Ok(Subject::Record(input.required("uri")?))
            }
            REPO_BLOB_REF => Ok(Subject::Blob(input.required("did")?, input.required("cid")?)),
            other => Err(XrpcError::invalid_request(format!("Invalid subject ({other})"))),
        }
    }
}

/// The record of a URI and the account it belongs to.
pub(super) async fn find_record<'u>(
    app: &App,
    uri: &'u AtUri,
) -> Result<Option<(Account, &'u Nsid, &'u RecordKey)>, XrpcError> {
    let (Some(collection), Some(rkey)) = (uri.collection(), uri.rkey()) else {
        return Err(XrpcError::invalid_request(format!("{uri} is not the URI of a record")));
    };
    let account = app.accounts.find(uri.authority()).await;
    let account = account.map_err(|error| XrpcError::internal(&error))?;
    Ok(account.map(|account| (account, collection, rkey)))
}

/// The error for a subject that is not here.
pub(super) fn not_found() -> XrpcError {
    XrpcError::bad_request("NotFound", "Subject not found")
}
