//! `com.atproto.repo.uploadBlob`: bytes that records of the caller can refer to.

use std::sync::Arc;

use atproto_data::Did;
use axum::http::StatusCode;
use serde::Serialize;

use crate::app::App;
use crate::blob::{UploadError, UploadedBlob};
use crate::repo::RepoError;
use crate::server::auth::Status;
use crate::server::{Accepts, Access, Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::repo_error::{blob_file_error, read_error};
use crate::xrpc::{Call, Caller, check_status, limits};

/// A deactivated account uploads while it moves in.
const AUTH: Auth = Auth::AccessOrService(Access::STANDARD.status(Status::NotTakendown));

pub(crate) const METHOD: Method<App> =
    Method::procedure("com.atproto.repo.uploadBlob", AUTH, Accepts::AnyMedia, |app, call| {
        Box::pin(handle(app, call))
    })
    .limited(limits::UPLOAD_BLOB);

#[derive(Serialize)]
struct Output {
    blob: Blob,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob {
    #[serde(rename = "$type")]
    kind: &'static str,
    r#ref: Link,
    mime_type: String,
    size: u64,
}

#[derive(Serialize)]
struct Link {
    #[serde(rename = "$link")]
    link: String,
}

async fn handle(app: Arc<App>, mut call: Call) -> XrpcResult {
    let did = uploader(&app, &call.caller).await?;
    let declared = call.media_type()?.to_owned();
    let limit = usize::try_from(app.description.blob_upload_limit).unwrap_or(usize::MAX);
    let mut chunks = call.take_chunks(limit)?;
    let mut upload = app.blobs.upload(&did).map_err(refusal)?;
    while let Some(chunk) = chunks.next().await? {
        upload.write(&chunk).await.map_err(refusal)?;
    }
    let blob = upload.finish(&declared).await.map_err(refusal)?;
    respond::json(&Output { blob: blob.into() })
}

/// Whose blob it will be. A service token is an account's own word, but it does not tell how the account is.
async fn uploader(app: &App, caller: &Caller) -> Result<Did, XrpcError> {
    let Caller::Service(service) = caller else {
        return Ok(caller.access()?.account.did.clone());
    };
    let account = app.accounts.find_did(&service.did).await;
    let account = account.map_err(|error| XrpcError::internal(&error))?;
    let account = account.ok_or_else(|| XrpcError::forbidden_as("AccountNotFound", "Account not found"))?;
    check_status(Status::NotTakendown, &account)?;
    Ok(account.did)
}

impl From<UploadedBlob> for Blob {
    fn from(blob: UploadedBlob) -> Blob {
        Blob {
            kind: "blob",
            r#ref: Link {
                link: blob.cid.to_string(),
            },
            mime_type: blob.mime_type,
            size: blob.size,
        }
    }
}

fn refusal(error: UploadError) -> XrpcError {
    match error {
        UploadError::TakenDown | UploadError::MediaTypeTooLong => XrpcError::invalid_request(error.to_string()),
        UploadError::TooManyUnreferenced | UploadError::TooManyAtOnce => {
            XrpcError::new(StatusCode::TOO_MANY_REQUESTS, "RateLimitExceeded", error.to_string())
        }
        UploadError::File(cause) => blob_file_error(&cause),
        UploadError::Store(error) => read_error(RepoError::Store(error)),
        UploadError::Aborted => XrpcError::internal(&error),
    }
}
