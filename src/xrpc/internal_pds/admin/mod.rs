//! `internal.pds.admin.*`: what the operator needs beside `com.atproto.admin.*`.

pub(in crate::xrpc) mod clear_email_factor;
pub(in crate::xrpc) mod get_account;
pub(in crate::xrpc) mod get_storage;
pub(in crate::xrpc) mod issue_code;
pub(in crate::xrpc) mod resync_accounts;

use std::fmt::Display;

use atproto_data::AtIdentifier;
use serde_json::{Value, json};

use crate::account::Account;
use crate::app::App;
use crate::server::XrpcError;
use crate::store::{StoreError, Usage};

/// What an account, or all of them, store.
struct Stored {
    records: Usage,
    blobs: Usage,
    events: Usage,
}

impl Stored {
    fn view(&self) -> Value {
        json!({
            "records": self.records.count,
            "recordBytes": self.records.bytes,
            "blobs": self.blobs.count,
            "blobBytes": self.blobs.bytes,
            "events": self.events.count,
            "eventBytes": self.events.bytes,
        })
    }
}

/// The account that a DID or handle names, whatever its status.
async fn find(app: &App, identifier: &AtIdentifier) -> Result<Account, XrpcError> {
    found(app.accounts.find(identifier).await, identifier)
}

/// What a search for `identifier` found.
fn found(account: Result<Option<Account>, StoreError>, identifier: impl Display) -> Result<Account, XrpcError> {
    let account = account.map_err(|error| XrpcError::internal(&error))?;
    account.ok_or_else(|| XrpcError::bad_request("NotFound", format!("Account does not exist: {identifier}")))
}
