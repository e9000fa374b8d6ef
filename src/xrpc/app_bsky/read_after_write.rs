//! Answers of an AppView that has not seen yet what the account just wrote: they are brought up to date here.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use crate::account::Account;
use crate::app::App;
use crate::appview::local::{LocalRecord, LocalRecords, PROFILES, embed, post, profile, valid_json};
use crate::appview::{Outgoing, REPO_REV, passed_on};
use crate::server::respond::JSON;
use crate::server::{Params, XrpcError, XrpcResult};
use crate::xrpc::proxy::{ask_as, method, token};

/// How far behind the AppView is, in ms.
const LAG: HeaderName = HeaderName::from_static("atproto-upstream-lag");
/// The most embedded records that the AppView is asked for on the way to one answer.
const MAX_QUESTIONS: usize = 10;

/// The AppView's answer to a call.
pub(super) enum Asked<'a> {
    /// It knows everything: for the client as it is.
    Current(Response),
    /// It lacks something of the account's.
    Behind(Behind<'a>),
}

/// An answer that lacks something of the account's.
pub(super) struct Behind<'a> {
    /// The answer.
    pub(super) body: Value,
    /// What the AppView has not seen.
    pub(super) local: LocalRecords,
    app: &'a App,
    parts: &'a Parts,
    account: &'a Account,
    headers: HeaderMap,
}

/// Passes a call on for an account and finds out whether the answer lacks something.
pub(super) async fn ask<'a>(
    app: &'a App,
    parts: &'a Parts,
    account: &'a Account,
    nsid: &str,
) -> Result<Asked<'a>, XrpcError> {
    let reply = ask_as(app, parts, &method(nsid)?, &account.did).await?;
    let local = match reply.repo_rev() {
        Some(rev) => local_records(app, account, rev).await,
        None => LocalRecords::default(),
    };
    if local.is_empty() {
        return app.appview.pass_on(reply).map(Asked::Current);
    }
    let answer = app.appview.read(reply).await?;
    let body = answer
        .body
        .as_deref()
        .and_then(|body| serde_json::from_slice(body).ok());
    let Some(body) = body else {
        return Ok(Asked::Current(answer.unchanged()));
    };
    Ok(Asked::Behind(Behind {
        body,
        local,
        app,
        parts,
        account,
        headers: answer.headers_besides_body(),
    }))
}

/// What an AppView lacks that does not know at all what it was asked for; none if it says nothing of what it has seen.
pub(super) async fn behind_error<'a>(
    app: &'a App,
    parts: &'a Parts,
    account: &'a Account,
    error: &XrpcError,
) -> Option<Behind<'a>> {
    let rev = error.header(REPO_REV)?.to_str().ok()?.parse().ok()?;
    Some(Behind {
        body: Value::Null,
        local: local_records(app, account, rev).await,
        app,
        parts,
        account,
        headers: HeaderMap::new(),
    })
}

/// Whether this is the page of a feed where the newest posts are.
pub(super) fn is_first_page(params: &Params) -> Result<bool, XrpcError> {
    Ok(params.optional_str("cursor")?.is_none())
}

impl Behind<'_> {
    /// The posts as the AppView would show them.
    pub(super) async fn views(&self, posts: &[&LocalRecord]) -> Vec<Value> {
        let (did, images) = (&self.account.did, self.app.appview.images());
        let author = self.author().await;
        let mut views = Vec::with_capacity(posts.len());
        let mut questions = 0;
        for post in posts {
            let quoted = match embed::question(&post.value) {
                Some(question) if questions < MAX_QUESTIONS => {
                    questions += 1;
                    self.quoted(&question).await
                }
                _ => None,
            };
            views.push(post::view(post, &author, quoted, did, images));
        }
        views
    }

    /// Asks the AppView something more in the account's name; none if it does not answer usefully.
    pub(super) async fn ask(&self, nsid: &str, params: &[(&str, &str)]) -> Option<Value> {
        let appview = &self.app.appview;
        let nsid = method(nsid).ok()?;
        let service = appview.service(&self.parts.headers, nsid.as_str()).await.ok()?;
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(params)
            .finish();
        let call = Outgoing {
            verb: axum::http::Method::GET,
            nsid: &nsid,
            query: Some(&query),
            headers: passed_on(&self.parts.headers, appview.encoding()),
            token: Some(
                token(self.app, &self.account.did, service.did.as_str(), &nsid)
                    .await
                    .ok()?,
            ),
        };
        let reply = appview.call(&service, &call).await.ok()?;
        serde_json::from_slice(&appview.read(reply).await.ok()?.body?).ok()
    }

    /// The answer, with what it lacked.
    pub(super) fn respond(self) -> XrpcResult {
        let body = serde_json::to_vec(&self.body).map_err(|error| XrpcError::internal(&error))?;
        let mut response = (self.headers, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, JSON);
        if let Some(lag) = self.local.lag_millis(self.app.now_micros()) {
            headers.insert(LAG, HeaderValue::from(lag));
        }
        Ok(response)
    }

    async fn quoted(&self, question: &embed::Question) -> Option<Value> {
        let answer = self.ask(question.nsid, &[(question.parameter, &question.uri)]).await?;
        embed::quoted(question, &answer)
    }

    /// The account as the author of its posts.
    async fn author(&self) -> Value {
        let record = match &self.local.profile {
            Some(profile) => Some(profile.value.clone()),
            None => self.stored_profile().await,
        };
        let (account, images) = (self.account, self.app.appview.images());
        profile::author(&account.did, &account.handle, record.as_ref(), images)
    }

    async fn stored_profile(&self) -> Option<Value> {
        let (collection, rkey) = (PROFILES.parse().ok()?, "self".parse().ok()?);
        let found = self
            .app
            .repos
            .record(self.account.repo_id, &collection, &rkey, None)
            .await;
        let record = found
            .inspect_err(|error| tracing::warn!(%error, "a profile cannot be read"))
            .ok()??;
        valid_json(PROFILES, "self", &record.content)
    }
}

/// What the account wrote after `rev`. Where that cannot be read, the AppView's answer has to do.
async fn local_records(app: &App, account: &Account, rev: atproto_data::Tid) -> LocalRecords {
    let found = app
        .repos
        .written_since(account.repo_id, rev, LocalRecords::has_place_for)
        .await;
    match found {
        Ok(records) => LocalRecords::of(&account.did, records),
        Err(error) => {
            tracing::warn!(%error, did = %account.did, "what an account wrote lately cannot be read");
            LocalRecords::default()
        }
    }
}
