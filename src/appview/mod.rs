//! Calls that other services answer for our accounts: the AppView, moderation, direct messages, whatever a client names.

mod answer;
mod capacity;
mod client_pace;
mod decode;
mod exchange;
mod headers;
pub mod local;
mod proxy_header;
mod service;
#[cfg(test)]
mod tests;

use std::time::Duration;

use atproto_data::Did;
use reqwest::Client;

use crate::config::{ProxyConfig, Upstream};
use crate::identity::DidDocuments;
use crate::observe::Outage;
use crate::outbound::{GuardedClient, client_builder};
use capacity::Capacity;
use local::ImageUrls;

pub use answer::{ReadAnswer, Unread, work_on};
pub use exchange::{Outgoing, REPO_REV, Reply, too_slow};
pub use headers::{Encoding, passed_on};
pub use service::{NotFound, ProxyTo, Service};

use service::Services;

/// How long a service of the operator's may take to open a connection, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept, and how many to one service.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
const MAX_IDLE_PER_HOST: usize = 128;

/// Whom calls are passed on to, and how.
pub struct AppViewSettings {
    /// The AppView (`PDS_BSKY_APP_VIEW_URL`, `PDS_BSKY_APP_VIEW_DID`).
    pub appview: Option<Upstream>,
    /// The moderation service (`PDS_MOD_SERVICE_URL`, `PDS_MOD_SERVICE_DID`).
    pub moderation_service: Option<Upstream>,
    /// Where reports go (`PDS_REPORT_SERVICE_URL`, `PDS_REPORT_SERVICE_DID`).
    pub report_service: Option<Upstream>,
    /// Limits (`PDS_PROXY_*`).
    pub proxy: ProxyConfig,
    /// Where images are.
    pub images: ImageUrls,
    /// Our own DID, which is not called.
    pub own_did: Did,
    /// Our own origin, such as `https://pds.example.com`, which is not called either.
    pub own_url: String,
}

/// Passes calls on.
pub struct AppView {
    settings: AppViewSettings,
    services: Services,
    dids: DidDocuments,
    /// Reaches what the operator chose.
    direct: Client,
    direct_capacity: Capacity,
    /// Reaches what a caller chose.
    guarded: GuardedClient,
    /// Counted on its own: what a caller names may be slow for as long as it is let, and is not to stand in the way of the AppView.
    guarded_capacity: Capacity,
    /// Of the AppView.
    outage: Outage,
}

/// Why calls cannot be passed on at all.
#[derive(Debug, thiserror::Error)]
pub enum AppViewError {
    /// An address of the settings.
    #[error("{0} is not the address of a service")]
    Address(String),
    /// TLS could not be set up.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

impl AppView {
    /// Passes calls on as the settings say. `guarded` reaches the services that callers name by their DIDs.
    ///
    /// # Errors
    /// If an address of the settings is none, or TLS cannot be set up.
    pub fn new(settings: AppViewSettings, dids: DidDocuments, guarded: GuardedClient) -> Result<AppView, AppViewError> {
        let services = Services::of(&settings)?;
        let builder = client_builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST);
        let builder = if settings.proxy.allow_http2 {
            builder
        } else {
            builder.http1_only()
        };
        Ok(AppView {
            settings,
            services,
            dids,
            direct: builder.build()?,
            direct_capacity: Capacity::default(),
            guarded,
            guarded_capacity: Capacity::default(),
            outage: Outage::default(),
        })
    }

    /// Whether the AppView has not answered for a while.
    pub fn is_down(&self) -> bool {
        self.outage.lasts()
    }

    /// The AppView of the settings, if there is one.
    pub fn appview(&self) -> Option<&Service> {
        self.services.appview.as_ref()
    }

    /// Where images are.
    pub fn images(&self) -> &ImageUrls {
        &self.settings.images
    }

    /// Which encodings are asked for where an answer may have to be read.
    pub fn encoding(&self) -> Encoding {
        if self.settings.proxy.prefer_compressed {
            Encoding::ReadablePreferCompressed
        } else {
            Encoding::Readable
        }
    }
}
