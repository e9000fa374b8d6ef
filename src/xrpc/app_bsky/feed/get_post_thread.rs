//! `app.bsky.feed.getPostThread`: a thread from the AppView, with the account's own newest replies; also of a post that the AppView does
//! not know yet.

use std::ops::RangeInclusive;
use std::sync::Arc;

use atproto_data::AtUri;
use serde_json::{Value, json};

use crate::account::Account;
use crate::app::App;
use crate::appview::local::{LocalRecord, thread};
use crate::server::{Access, Auth, Method, Params, XrpcError, XrpcResult};
use crate::xrpc::Call;
use crate::xrpc::app_bsky::read_after_write::{Asked, Behind, ask, behind_error};

const NSID: &str = "app.bsky.feed.getPostThread";

/// How far a thread may be shown, upwards and downwards.
const DEPTH: RangeInclusive<i64> = 0..=1_000;

pub(crate) const METHOD: Method<App> = Method::query(NSID, Auth::Access(Access::STANDARD), |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let uri: AtUri = call.params.required("uri")?;
    call.params.optional_integer("depth", DEPTH)?;
    call.params.optional_integer("parentHeight", DEPTH)?;
    let account = &call.caller.access()?.account;
    let mut behind = match ask(&app, &call.parts, account, NSID).await {
        Ok(Asked::Current(answer)) => return Ok(answer),
        Ok(Asked::Behind(behind)) => *behind,
        Err(error) => {
            let Some(uri) = own_uri(&error, &uri, account) else {
                return Err(error);
            };
            let behind = behind_error(&app, &call.parts, account, &error).await;
            return rebuild(behind, &uri, &call.params).await.unwrap_or(Err(error));
        }
    };
    if let Some(mut whole) = behind.body.get_mut("thread").map(Value::take) {
        add_replies(&behind, &mut whole).await;
        behind.body["thread"] = whole;
    }
    behind.respond().await
}

/// The post asked for, if it is one of the account's own and the AppView says that there is none.
fn own_uri(error: &XrpcError, uri: &AtUri, account: &Account) -> Option<String> {
    if error.error != "NotFound" {
        return None;
    }
    let (collection, rkey) = (uri.collection()?, uri.rkey()?);
    account
        .is_named(uri.authority())
        .then(|| format!("at://{}/{collection}/{rkey}", account.did))
}

/// The thread of a post that the AppView does not know; none if we do not know it as new either.
async fn rebuild(behind: Option<Behind<'_>>, uri: &str, params: &Params) -> Option<XrpcResult> {
    let mut behind = behind?;
    let post = behind.local.posts.iter().find(|post| post.uri == uri)?;
    let mut whole = thread::alone(behind.views(&[post]).await.pop()?);
    add_replies(&behind, &mut whole).await;
    whole["parent"] = parents(&behind, post, params).await;
    if whole["parent"].is_null()
        && let Some(whole) = whole.as_object_mut()
    {
        whole.remove("parent");
    }
    behind.body = json!({"thread": whole});
    Some(behind.respond().await)
}

/// Puts the account's newest replies where they belong.
async fn add_replies(behind: &Behind<'_>, whole: &mut Value) {
    let Some(uri) = whole["post"]["uri"].as_str().filter(|_| thread::is_thread(whole)) else {
        return;
    };
    let replies = thread::replies(uri, &whole["post"]["record"], &behind.local.posts);
    let views = behind.views(&replies).await;
    for (reply, view) in replies.iter().zip(&views) {
        if let Some(parent) = thread::parent_of(&reply.value) {
            thread::insert(whole, parent, view);
        }
    }
}

/// What a post replies to, upwards: first the account's own newest posts, then what the AppView knows.
async fn parents(behind: &Behind<'_>, post: &LocalRecord, params: &Params) -> Value {
    let posts = &behind.local.posts;
    let mut own: Vec<&LocalRecord> = Vec::new();
    let mut next = thread::parent_of(&post.value);
    // A post cannot reply to one that is not there yet, but may claim to.
    while own.len() < posts.len()
        && let Some(parent) = next.and_then(|uri| posts.iter().find(|post| post.uri == uri))
    {
        own.push(parent);
        next = thread::parent_of(&parent.value);
    }
    let mut above = match next {
        Some(uri) => known_thread(behind, uri, params).await,
        None => Value::Null,
    };
    for view in behind.views(&own).await.into_iter().rev() {
        let mut parent = thread::alone(view);
        if !above.is_null() {
            parent["parent"] = above;
        }
        above = parent;
    }
    above
}

async fn known_thread(behind: &Behind<'_>, uri: &str, params: &Params) -> Value {
    let mut query = vec![("uri", uri), ("depth", "0")];
    if let Ok(Some(height)) = params.optional_str("parentHeight") {
        query.push(("parentHeight", height));
    }
    let answer = behind.ask(NSID, &query).await;
    let thread = answer.and_then(|mut answer| answer.get_mut("thread").map(Value::take));
    thread.unwrap_or_default()
}
