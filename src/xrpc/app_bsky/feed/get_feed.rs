//! `app.bsky.feed.getFeed`: a custom feed, by way of the AppView. The feed's generator learns who asks by a token of its own.

use std::sync::Arc;

use atproto_data::{AtUri, Did};
use axum::http::{HeaderMap, Method as Verb};

use super::PAGE;
use crate::app::App;
use crate::appview::{Encoding, Outgoing, Service, passed_on};
use crate::server::{Access, Auth, Method, XrpcError, XrpcResult};
use crate::xrpc::Call;
use crate::xrpc::proxy::{ask, method, token};

const NSID: &str = "app.bsky.feed.getFeed";
/// What the AppView asks the generator for with our token.
const SKELETON: &str = "app.bsky.feed.getFeedSkeleton";
const GET_RECORD: &str = "com.atproto.repo.getRecord";
/// The largest record of a feed that is read, in bytes of JSON: four times the largest record there can be.
const MAX_RECORD: u64 = 4 << 20;

pub(crate) const METHOD: Method<App> = Method::query(NSID, Auth::Access(Access::STANDARD), |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did = &call.caller.access()?.account.did;
    let feed: AtUri = call.params.required("feed")?;
    call.params.optional_integer("limit", PAGE)?;
    let service = app.appview.service(did, call.headers(), NSID).await?;
    let generator = generator(&app, &call.parts.headers, did, &service, &feed).await?;
    let token = token(&app, did, generator.as_str(), &method(SKELETON)?).await?;
    let response = ask(&app, &call.parts, &method(NSID)?, &service, Some((did, token))).await?;
    app.appview.pass_on(response)
}

/// The DID of a feed's generator, from the feed's record as the AppView knows it.
async fn generator(
    app: &App,
    client: &HeaderMap,
    caller: &Did,
    service: &Service,
    feed: &AtUri,
) -> Result<Did, XrpcError> {
    let unknown = || XrpcError::bad_request("UnknownFeed", "could not resolve feed did");
    let (Some(collection), Some(rkey)) = (feed.collection(), feed.rkey()) else {
        return Err(unknown());
    };
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("repo", feed.authority().as_str())
        .append_pair("collection", collection.as_str())
        .append_pair("rkey", rkey.as_str())
        .finish();
    let request = Outgoing {
        verb: Verb::GET,
        nsid: &method(GET_RECORD)?,
        query: Some(&query),
        headers: passed_on(client, Encoding::Readable),
        token: None,
        caller: Some(caller),
    };
    let response = app.appview.call(service, &request).await?;
    let record = app.appview.read(response, MAX_RECORD).await?.json.ok_or_else(unknown)?;
    record["value"]["did"]
        .as_str()
        .and_then(|did| did.parse().ok())
        .ok_or_else(unknown)
}
