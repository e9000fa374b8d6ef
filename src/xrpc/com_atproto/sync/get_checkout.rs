//! `com.atproto.sync.getCheckout`: the old name of `getRepo` without `since`.

use std::sync::Arc;

use atproto_data::Did;

use super::get_repo::export;
use super::readable_repo::READ_AUTH;
use crate::app::App;
use crate::server::{Method, XrpcResult};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::query("com.atproto.sync.getCheckout", READ_AUTH, |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.params.required("did")?;
    export(&app, &call.caller, &did, None).await
}
