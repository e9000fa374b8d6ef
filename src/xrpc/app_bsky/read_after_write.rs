//! Answers of an AppView that has not seen yet what the account just wrote: they are brought up to date here.

use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::account::Account;
use crate::app::App;
use crate::appview::local::embed::{Quoted, questions, quotes};
use crate::appview::local::{LocalRecord, LocalRecords, PROFILES, post, profile, profile_json};
use crate::appview::{Outgoing, REPO_REV, ReadAnswer, Unread, passed_on, too_slow, work_on};
use crate::server::respond::JSON;
use crate::server::{Params, XrpcError, XrpcResult};
use crate::xrpc::proxy::{ask_as, method, token};

/// How far behind the AppView is, in ms.
const LAG: HeaderName = HeaderName::from_static("atproto-upstream-lag");
/// How long what is asked for on the way to one answer may take, all together.
const TIME_FOR_QUESTIONS: Duration = Duration::from_millis(2_500);
/// The largest answer to one of them, in bytes.
const MAX_ANSWER: u64 = 1 << 20;

/// The AppView's answer to a call.
pub(super) enum Asked<'a> {
    /// It knows everything: for the client as it is.
    Current(Response),
    /// It lacks something of the account's.
    Behind(Box<Behind<'a>>),
}

/// An answer that lacks something of the account's.
pub(super) struct Behind<'a> {
    /// The answer: none where the AppView knows nothing at all of what it was asked for.
    pub(super) body: Value,
    /// What the AppView has not seen.
    pub(super) local: LocalRecords,
    app: &'a App,
    parts: &'a Parts,
    account: &'a Account,
    /// What the AppView answered, without its JSON.
    answer: Option<ReadAnswer>,
    /// Until then the AppView may be asked more.
    until: Instant,
}

/// Passes a call on for an account, and lets `add` put in what the answer lacks.
pub(super) async fn up_to_date(
    app: &App,
    parts: &Parts,
    account: &Account,
    nsid: &str,
    add: impl AsyncFnOnce(&mut Behind<'_>) -> Result<(), XrpcError>,
) -> XrpcResult {
    match ask(app, parts, account, nsid).await? {
        Asked::Current(answer) => Ok(answer),
        Asked::Behind(mut behind) => {
            add(&mut behind).await?;
            behind.respond().await
        }
    }
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
    let mut answer = match app.appview.read(reply, u64::MAX).await {
        Ok(answer) => answer,
        // Better without what is new than not at all.
        Err(Unread { reply: Some(reply), .. }) => return app.appview.pass_on(*reply).map(Asked::Current),
        Err(unread) => return Err(unread.error),
    };
    let Some(body) = answer.json.take() else {
        return Ok(Asked::Current(answer.unchanged()));
    };
    Ok(Asked::Behind(Box::new(Behind {
        body,
        local,
        app,
        parts,
        account,
        answer: Some(answer),
        until: Instant::now() + TIME_FOR_QUESTIONS,
    })))
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
        answer: None,
        until: Instant::now() + TIME_FOR_QUESTIONS,
    })
}

/// Whether this is the page of a feed where the newest posts are.
pub(super) fn is_first_page(params: &Params) -> Result<bool, XrpcError> {
    Ok(params.optional_str("cursor")?.is_none())
}

impl Behind<'_> {
    /// The posts as the AppView would show them. A quoted record that it does not give in time is left out.
    pub(super) async fn views(&self, posts: &[&LocalRecord]) -> Vec<Value> {
        let author = self.author().await;
        let quoted = self.quoted(posts, &author).await;
        posts.iter().map(|post| self.view(post, &author, &quoted)).collect()
    }

    fn view(&self, post: &LocalRecord, author: &Value, quoted: &Quoted) -> Value {
        post::view(post, author, quoted, &self.account.did, self.app.appview.images())
    }

    /// What posts quote: what the AppView has not seen is known here, the rest it is asked for.
    async fn quoted(&self, posts: &[&LocalRecord], author: &Value) -> Quoted {
        let mut quoted = Quoted::default();
        let is_quoted = |own: &&LocalRecord| posts.iter().any(|post| quotes(&post.value, &own.uri));
        for own in self.local.posts.iter().filter(is_quoted) {
            quoted.learn_own(&own.uri, &self.view(own, author, &Quoted::default()));
        }
        let questions = questions(posts.iter().map(|post| &post.value), &quoted);
        let answers = join_all(questions.iter().map(async |question| {
            let params: Vec<(&str, &str)> = question
                .params
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            self.ask(question.nsid, &params).await
        }));
        for (question, answer) in questions.iter().zip(answers.await) {
            if let Some(answer) = &answer {
                quoted.learn(question, answer);
            }
        }
        quoted
    }

    /// Asks the AppView something more in the account's name; none if it does not answer usefully in time.
    pub(super) async fn ask(&self, nsid: &str, params: &[(&str, &str)]) -> Option<Value> {
        let asked = timeout_at(self.until, self.ask_at_leisure(nsid, params)).await;
        let asked = asked.unwrap_or_else(|_| Err(too_slow()));
        asked
            .inspect_err(|error| tracing::info!(%error, nsid, "an answer goes without what the AppView knows"))
            .ok()?
    }

    async fn ask_at_leisure(&self, nsid: &str, params: &[(&str, &str)]) -> Result<Option<Value>, XrpcError> {
        let appview = &self.app.appview;
        let (nsid, did) = (method(nsid)?, &self.account.did);
        let service = appview.service(did, &self.parts.headers, nsid.as_str()).await?;
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(params)
            .finish();
        let call = Outgoing {
            verb: Method::GET,
            nsid: &nsid,
            query: Some(&query),
            headers: passed_on(&self.parts.headers, appview.encoding()),
            token: Some(token(self.app, did, service.did.as_str(), &nsid).await?),
            caller: Some(did),
        };
        let reply = appview.call(&service, &call).await?;
        Ok(appview.read(reply, MAX_ANSWER).await?.json)
    }

    /// The answer, with what it lacked.
    pub(super) async fn respond(self) -> XrpcResult {
        let answer = self.answer.as_ref();
        let headers = answer.map(ReadAnswer::headers_besides_body).unwrap_or_default();
        let length = answer.map_or(0, ReadAnswer::length);
        let json = self.body;
        let body = work_on(length, move || serde_json::to_vec(&json)).await?;
        let body = body.map_err(|error| XrpcError::internal(&error))?;
        let mut response = (headers, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, JSON);
        if let Some(lag) = self.local.lag_millis(self.app.now_micros()) {
            headers.insert(LAG, HeaderValue::from(lag));
        }
        Ok(response)
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
        profile_json(&record.content)
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
