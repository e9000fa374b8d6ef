//! `com.atproto.repo.createRecord`: a new record in the caller's repo.

use std::sync::Arc;

use atproto_data::{Nsid, RecordKey};
use atproto_lexicon::Validation;

use super::write_input::{
    CommitOutput, RECORD_PATH, RecordOutput, WRITE_AUTH, WRITE_LIMIT, chosen_rkey, own_repo, prepare, swap_commit,
    validation,
};
use crate::app::App;
use crate::repo::{RecordWrite, WriteAction};
use crate::server::{Accepts, Method, XrpcResult, respond};
use crate::xrpc::repo_error::{own_repo_error, record_uri};
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.repo.createRecord",
    WRITE_AUTH,
    Accepts::Json(WRITE_LIMIT),
    |app, call| Box::pin(handle(app, call)),
)
.limited(limits::CREATE_RECORD);

async fn handle(app: Arc<App>, mut call: Call) -> XrpcResult {
    let repo = own_repo(&app, &call.caller, &call.input).await?;
    let collection: Nsid = call.input.required("collection")?;
    let rkey: RecordKey = match call.input.optional("rkey")? {
        Some(rkey) => chosen_rkey(rkey)?,
        None => app.repos.next_rkey().into(),
    };
    let validation = validation(&call.input)?;
    let swap = swap_commit(&call.input)?;
    let record = call.input.take_required_object("record")?.into_map();

    let (record, validation_status) = prepare(validation, &collection, &rkey, record, RECORD_PATH)?;
    let (uri, cid) = (record_uri(&repo.did, &collection, &rkey), record.cid().to_string());
    let write = RecordWrite {
        collection,
        rkey,
        action: if validation == Validation::Skipped {
            WriteAction::Create(record)
        } else {
            WriteAction::CreateUnique(record)
        },
    };
    let written = app.repos.write(repo, vec![write], swap).await.map_err(own_repo_error)?;
    respond::json(&RecordOutput {
        uri,
        cid,
        commit: written.commit.map(CommitOutput::from),
        validation_status,
    })
}
