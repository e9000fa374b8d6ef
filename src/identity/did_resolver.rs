//! From DIDs to their documents.

use std::sync::Arc;
use std::time::Duration;

use atproto_data::Did;
use atproto_plc::DidDocument;
use futures_util::future::BoxFuture;
use moka::future::Cache;
use serde_json::Value;

use super::plc_directory::{PlcDirectory, PlcError};

/// Documents kept, and for how long.
const CACHED_DOCUMENTS: u64 = 2_000;
const KEPT_FOR: Duration = Duration::from_mins(5);

/// A DID document: as it came, and what the protocol needs of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedDid {
    /// The document's JSON.
    pub json: Value,
    /// Its keys, names and services.
    pub document: DidDocument,
}

/// Finds DID documents.
pub trait DidResolver: Send + Sync + 'static {
    /// The document of a DID, perhaps one that was found some minutes ago; `None` if there is no such DID.
    fn resolve<'a>(&'a self, did: &'a Did) -> BoxFuture<'a, Result<Option<Arc<ResolvedDid>>, ResolveError>>;

    /// The document as it is now: for when an older one does not fit.
    fn resolve_anew<'a>(&'a self, did: &'a Did) -> BoxFuture<'a, Result<Option<Arc<ResolvedDid>>, ResolveError>>;
}

/// Why nobody knows what a DID's document says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// This server does not resolve DIDs of that method.
    #[error("DIDs of method {0} cannot be resolved")]
    Method(String),
    /// The PLC directory fails.
    #[error(transparent)]
    Plc(#[from] PlcError),
    /// The document is not one.
    #[error("the DID document of {did} is malformed: {reason}")]
    Malformed {
        /// Whose document.
        did: Did,
        /// What is wrong with it.
        reason: String,
    },
}

/// Resolves did:plc.
pub struct PlcResolver {
    plc: Arc<dyn PlcDirectory>,
    cache: Cache<Did, Arc<ResolvedDid>>,
}

impl PlcResolver {
    /// A resolver that asks a PLC directory.
    pub fn new(plc: Arc<dyn PlcDirectory>) -> PlcResolver {
        let cache = Cache::builder()
            .max_capacity(CACHED_DOCUMENTS)
            .time_to_live(KEPT_FOR)
            .build();
        PlcResolver { plc, cache }
    }

    async fn ask(&self, did: &Did) -> Result<Option<Arc<ResolvedDid>>, ResolveError> {
        if did.method() != "plc" {
            return Err(ResolveError::Method(did.method().to_owned()));
        }
        let Some(json) = self.plc.document(did).await? else {
            self.cache.invalidate(did).await;
            return Ok(None);
        };
        let document = DidDocument::from_value(did, &json).map_err(|error| ResolveError::Malformed {
            did: did.clone(),
            reason: error.to_string(),
        })?;
        let resolved = Arc::new(ResolvedDid { json, document });
        self.cache.insert(did.clone(), Arc::clone(&resolved)).await;
        Ok(Some(resolved))
    }
}

impl DidResolver for PlcResolver {
    fn resolve<'a>(&'a self, did: &'a Did) -> BoxFuture<'a, Result<Option<Arc<ResolvedDid>>, ResolveError>> {
        Box::pin(async move {
            match self.cache.get(did).await {
                Some(known) => Ok(Some(known)),
                None => self.ask(did).await,
            }
        })
    }

    fn resolve_anew<'a>(&'a self, did: &'a Did) -> BoxFuture<'a, Result<Option<Arc<ResolvedDid>>, ResolveError>> {
        Box::pin(self.ask(did))
    }
}
