//! `com.atproto.repo.applyWrites`: up to 200 writes of the caller's repo in one commit.

use std::sync::Arc;

use atproto_data::{Did, Nsid, RecordKey};
use atproto_lexicon::Validation;
use atproto_repo::frame::MAX_COMMIT_OPERATIONS;
use serde::Serialize;

use super::write_input::{
    CommitOutput, WRITE_AUTH, WRITE_LIMIT, chosen_rkey, own_repo, prepare, swap_commit, validation,
};
use crate::app::App;
use crate::repo::{RecordWrite, RepoError, WriteAction};
use crate::server::{Accepts, Input, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::repo_error::{own_repo_error, record_uri};
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.repo.applyWrites",
    WRITE_AUTH,
    Accepts::Json(WRITE_LIMIT),
    |app, call| Box::pin(handle(app, call)),
)
.limited(limits::APPLY_WRITES);

const CREATE: &str = "com.atproto.repo.applyWrites#create";
const UPDATE: &str = "com.atproto.repo.applyWrites#update";
const DELETE: &str = "com.atproto.repo.applyWrites#delete";

#[derive(Serialize)]
struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<CommitOutput>,
    results: Vec<ResultOutput>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultOutput {
    #[serde(rename = "$type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_status: Option<&'static str>,
}

async fn handle(app: Arc<App>, mut call: Call) -> XrpcResult {
    let repo = own_repo(&app, &call.caller, &call.input).await?;
    let validation = validation(&call.input)?;
    let swap = swap_commit(&call.input)?;
    let inputs = call.input.take_required_objects("writes")?;
    // Before any of them is read.
    if inputs.len() > MAX_COMMIT_OPERATIONS {
        return Err(own_repo_error(RepoError::TooManyWrites {
            max: MAX_COMMIT_OPERATIONS,
        }));
    }
    let mut writes = Vec::with_capacity(inputs.len());
    let mut results = Vec::with_capacity(inputs.len());
    for input in inputs {
        let (write, result) = read_write(&app, &repo.did, validation, input)?;
        writes.push(write);
        results.push(result);
    }
    let written = app.repos.write(repo, writes, swap).await.map_err(own_repo_error)?;
    respond::json(&Output {
        commit: written.commit.map(CommitOutput::from),
        results,
    })
}

/// Which of the three a write is.
fn kind(input: &Input) -> Result<&'static str, XrpcError> {
    let Some(given) = input.optional_str("$type")? else {
        let message = "Expected an object which includes the \"$type\" property value type";
        return Err(XrpcError::invalid_request(format!("{message} at {}", input.path())));
    };
    [CREATE, UPDATE, DELETE]
        .into_iter()
        .find(|kind| *kind == given)
        .ok_or_else(|| {
            let message = format!("Expected one of \"{CREATE}\", \"{UPDATE}\" or \"{DELETE}\" (got \"{given}\")");
            input.refused(&message, "$type")
        })
}

fn read_write(
    app: &App,
    did: &Did,
    validation: Validation,
    mut input: Input,
) -> Result<(RecordWrite, ResultOutput), XrpcError> {
    let kind = kind(&input)?;
    let collection: Nsid = input.required("collection")?;
    let rkey: RecordKey = match input.optional("rkey")? {
        Some(rkey) if kind == DELETE => rkey,
        Some(rkey) => chosen_rkey(rkey)?,
        None if kind == CREATE => app.repos.next_rkey().into(),
        None => input.required("rkey")?,
    };
    if kind == DELETE {
        let result = ResultOutput {
            kind: "com.atproto.repo.applyWrites#deleteResult",
            uri: None,
            cid: None,
            validation_status: None,
        };
        return Ok((
            RecordWrite {
                collection,
                rkey,
                action: WriteAction::Delete,
            },
            result,
        ));
    }
    let value = input.take_required_object("value")?.into_map();
    // The reference's messages call the value by this name.
    let path = format_args!("{}.record", input.path());
    let (record, validation_status) = prepare(validation, &collection, &rkey, value, path)?;
    let result = ResultOutput {
        kind: if kind == CREATE {
            "com.atproto.repo.applyWrites#createResult"
        } else {
            "com.atproto.repo.applyWrites#updateResult"
        },
        uri: Some(record_uri(did, &collection, &rkey)),
        cid: Some(record.cid().to_string()),
        validation_status,
    };
    let action = if kind == CREATE {
        WriteAction::Create(record)
    } else {
        WriteAction::Update(record)
    };
    Ok((
        RecordWrite {
            collection,
            rkey,
            action,
        },
        result,
    ))
}
