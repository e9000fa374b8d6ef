//! What is asked of whoever finds DID documents.

use std::sync::Arc;

use atproto_data::Did;
use atproto_plc::DidDocument;
use futures_util::future::BoxFuture;
use serde_json::Value;

/// A DID document: as it came, and what the protocol needs of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedDid {
    /// The document's JSON.
    pub json: Value,
    /// Its keys, names and services.
    pub document: DidDocument,
}

/// A document, `None` if there is no such DID or it is tombstoned.
pub type Resolved = Result<Option<Arc<ResolvedDid>>, ResolveError>;

/// Finds DID documents.
pub trait DidResolver: Send + Sync + 'static {
    /// The document of a DID, perhaps one that was found a while ago.
    fn resolve<'a>(&'a self, did: &'a Did) -> BoxFuture<'a, Resolved>;

    /// The document as it is now, or, for a DID that this was asked of a moment ago, as it was then: for when an older one does not fit.
    fn resolve_anew<'a>(&'a self, did: &'a Did) -> BoxFuture<'a, Resolved>;
}

/// Why nobody knows what a DID's document says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// A method other than did:plc and did:web, a did:web with a path, or one of a host that we do not ask.
    #[error("DIDs like {0} cannot be resolved")]
    Unsupported(String),
    /// The document cannot be had at the moment, or what came is none.
    #[error("the DID document cannot be had: {0}")]
    Failed(String),
}
