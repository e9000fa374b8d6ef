//! What the server asks of the composition root. The server knows nothing of accounts, repos or databases beyond this.

use std::future::Future;
use std::sync::Arc;

use atproto_data::{Did, Handle, Nsid};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};

use super::auth::Auth;
use super::error::{XrpcError, XrpcResult};
use super::health::Health;
use super::limits::{CountsOn, Limiter};

/// How this server is known. None of it changes while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// `PDS_HOSTNAME`, lower-case, without a port.
    pub hostname: String,
    /// The origin that clients use, such as `https://pds.example.com`.
    pub public_url: String,
    /// The DID of the service, usually `did:web:<hostname>`.
    pub service_did: String,
    /// The domains under which handles are given out, each with its leading dot, lower-case.
    pub handle_domains: Vec<String>,
    /// What `/xrpc/_health` calls our version.
    pub version: String,
}

/// Something to do once a call has succeeded.
pub type OnSuccess = Box<dyn FnOnce() + Send>;

/// The composition root as the server sees it.
pub trait Application: Send + Sync + Sized + 'static {
    /// Who is calling: an account, the administrator, a service, or nobody.
    type Caller: Send + 'static;

    /// How this server is known.
    fn site(&self) -> &Site;

    /// How it is doing, from what is known already: no waiting, no questions to others.
    fn health(&self) -> Health;

    /// How often callers may ask.
    fn limiter(&self) -> &Arc<Limiter>;

    /// Finds out who calls the method `nsid` and refuses those that `auth` shuts out. Called for every method, also for
    /// [`Auth::None`]. [`credential`](super::auth::credential) does the part that needs no keys.
    fn authenticate(
        &self,
        auth: Auth,
        request: &Parts,
        nsid: &str,
    ) -> impl Future<Output = Result<Self::Caller, XrpcError>> + Send;

    /// Whom the caller's calls count on.
    fn counts_on<'c>(&self, caller: &'c Self::Caller) -> CountsOn<'c>;

    /// Headers that every answer to this caller carries, be it a success or an error, such as `DPoP-Nonce`.
    fn answer_headers(&self, _caller: &Self::Caller) -> Vec<(HeaderName, HeaderValue)> {
        Vec::new()
    }

    /// What is to be done if the call succeeds, such as spending a token that is good once. Dropped otherwise.
    fn on_success(&self, _caller: &mut Self::Caller) -> Option<OnSuccess> {
        None
    }

    /// The account hosted here that has this handle, if it is active.
    fn did_of_handle(&self, handle: &Handle) -> impl Future<Output = Result<Option<Did>, XrpcError>> + Send;

    /// Answers methods that are not ours, to callers with a session. The default says that nobody is configured to answer; the proxy to
    /// the AppView takes its place. The request's method is GET, HEAD or POST; nothing of its body is read.
    fn fallback(
        self: Arc<Self>,
        nsid: Nsid,
        caller: Result<Self::Caller, XrpcError>,
        _request: Request,
    ) -> impl Future<Output = XrpcResult> + Send {
        async move {
            caller?;
            Err(XrpcError::invalid_request(format!("No service configured for {nsid}")))
        }
    }
}
