//! One XRPC method as a value: what it is called, who may call it, what it takes and what answers it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::http::Method as Verb;

use super::application::Application;
use super::auth::Auth;
use super::call::Call;
use super::error::XrpcResult;
use super::limits::Limit;

/// The size limit of JSON bodies where a method has no other, in bytes.
pub const JSON_LIMIT: usize = 150 * 1024;

/// What a handler returns.
pub type Answer = Pin<Box<dyn Future<Output = XrpcResult> + Send>>;

/// The function behind a method.
pub type Handler<S> = fn(Arc<S>, Call<<S as Application>::Caller>) -> Answer;

/// An XRPC method. Each lives in a file of its own as `pub(crate) const METHOD: Method<App>`; the router has the one list of all.
pub struct Method<S: Application> {
    pub(super) nsid: &'static str,
    pub(super) kind: Kind,
    pub(super) auth: Auth,
    pub(super) accepts: Accepts,
    pub(super) limits: Limits,
    pub(super) handler: Handler<S>,
}

/// The three kinds of methods ([Lexicon](https://atproto.com/specs/lexicon)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// GET.
    Query,
    /// POST.
    Procedure,
    /// GET that becomes a WebSocket.
    Subscription,
}

/// The body that a method takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// None: a body is refused.
    Nothing,
    /// A JSON object of at most so many bytes, given to the handler as [`Call::input`].
    Json(usize),
    /// Bytes of this media type, left unread in [`Call`].
    Media(&'static str),
    /// Bytes of any media type, which must be named, left unread in [`Call`].
    AnyMedia,
}

/// How often a method may be called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) own: &'static [Limit],
    pub(super) apart: Apart,
}

/// Whether a method's calls are left out of the count of all calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Apart {
    No,
    Yes,
}

impl Limits {
    const NONE: Limits = Limits {
        own: &[],
        apart: Apart::No,
    };
}

impl<S: Application> Method<S> {
    /// A method that reads: GET, without a body.
    pub const fn query(nsid: &'static str, auth: Auth, handler: Handler<S>) -> Self {
        Self {
            nsid,
            kind: Kind::Query,
            auth,
            accepts: Accepts::Nothing,
            limits: Limits::NONE,
            handler,
        }
    }

    /// A method that does something: POST.
    pub const fn procedure(nsid: &'static str, auth: Auth, accepts: Accepts, handler: Handler<S>) -> Self {
        Self {
            nsid,
            kind: Kind::Procedure,
            auth,
            accepts,
            limits: Limits::NONE,
            handler,
        }
    }

    /// A stream of events over a WebSocket, for anybody. A request that is not an upgrade gets 426.
    pub const fn subscription(nsid: &'static str, handler: Handler<S>) -> Self {
        Self {
            nsid,
            kind: Kind::Subscription,
            auth: Auth::None,
            accepts: Accepts::Nothing,
            limits: Limits::NONE,
            handler,
        }
    }

    /// The method with limits of its own, beside the one on all calls.
    pub const fn limited(self, own: &'static [Limit]) -> Self {
        let apart = self.limits.apart;
        Self {
            limits: Limits { own, apart },
            ..self
        }
    }

    /// The method with limits of its own in place of the one on all calls.
    pub const fn limited_apart(self, own: &'static [Limit]) -> Self {
        let apart = Apart::Yes;
        Self {
            limits: Limits { own, apart },
            ..self
        }
    }

    /// The method's name.
    pub const fn nsid(&self) -> &'static str {
        self.nsid
    }
}

impl Kind {
    /// The verb of such methods.
    pub(super) const fn verb(self) -> Verb {
        match self {
            Self::Query | Self::Subscription => Verb::GET,
            Self::Procedure => Verb::POST,
        }
    }

    /// Whether a request with this verb is meant for such a method. HEAD goes where GET goes.
    pub(super) fn takes(self, verb: &Verb) -> bool {
        *verb == self.verb() || (*verb == Verb::HEAD && self.verb() == Verb::GET)
    }
}
