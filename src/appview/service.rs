//! Which service a call goes to.

use atproto_data::Did;
use axum::http::HeaderMap;
use reqwest::Url;

use super::{AppView, proxy_header};
use crate::config::Upstream;
use crate::observe::Service as Observed;
use crate::server::XrpcError;

/// The names of the services in their DID documents.
const APPVIEW: &str = "bsky_appview";
const LABELER: &str = "atproto_labeler";
/// Whose methods the moderation service answers, and the one that reports go by.
const MODERATION: &str = "tools.ozone.";
const CREATE_REPORT: &str = "com.atproto.moderation.createReport";

/// The service that a call is meant for: a DID and the service's name in its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyTo {
    /// Whose service, not checked.
    pub did: String,
    /// Its name, without `#`.
    pub id: String,
}

/// A service that can be called.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its DID: the audience of tokens.
    pub did: Did,
    /// Where it is; methods are under `/xrpc/`.
    pub(super) url: Url,
    pub(super) chosen: Chosen,
}

/// Who named a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// The operator, in the settings: what the service is to us.
    ByOperator(Observed),
    /// A caller, or a record: it may be anything.
    ByCaller,
}

/// The service that the settings have for a method.
struct Default<'a> {
    upstream: Option<&'a Upstream>,
    /// Its name in its DID document.
    id: &'static str,
    observed: Observed,
}

impl AppView {
    /// Whom a call is for: the service that its `atproto-proxy` header names, else the one that the settings have for the method.
    ///
    /// # Errors
    /// 400 for a malformed header, or if there is no service for the method.
    pub fn proxy_to(&self, headers: &HeaderMap, nsid: &str) -> Result<ProxyTo, XrpcError> {
        if let Some(value) = headers.get(proxy_header::NAME).filter(|value| !value.is_empty()) {
            let value = value.to_str();
            let value = value.map_err(|_| XrpcError::invalid_request("invalid proxy header format"))?;
            let (did, id) = proxy_header::parse(value)?;
            return Ok(ProxyTo {
                did: did.to_owned(),
                id: id.to_owned(),
            });
        }
        let default = self.default_service(nsid);
        let upstream = default.upstream.ok_or_else(|| not_configured(nsid))?;
        Ok(ProxyTo {
            did: upstream.did.to_string(),
            id: default.id.to_owned(),
        })
    }

    /// The service that a call is for. Those of the settings are called where the settings say, others where their DID document says.
    ///
    /// # Errors
    /// 400 as [`Self::proxy_to`], for a service that cannot be found, and for ourselves.
    pub async fn service(&self, headers: &HeaderMap, nsid: &str) -> Result<Service, XrpcError> {
        if headers
            .get(proxy_header::NAME)
            .is_none_or(axum::http::HeaderValue::is_empty)
        {
            let default = self.default_service(nsid);
            return self.configured(default.upstream.ok_or_else(|| not_configured(nsid))?, default.observed);
        }
        let to = self.proxy_to(headers, nsid)?;
        match &self.settings.appview {
            Some(appview) if self.is_appview(&to) => self.configured(appview, Observed::AppView),
            _ => self.find(&to.did, &to.id).await,
        }
    }

    /// Whether a call is for the AppView of the settings.
    pub fn is_appview(&self, to: &ProxyTo) -> bool {
        let did = self.settings.appview.as_ref().map(|appview| appview.did.as_str());
        did == Some(to.did.as_str()) && to.id == APPVIEW
    }

    /// The service `id` of a DID's document.
    ///
    /// # Errors
    /// 400 if there is none, or if it is ourselves.
    pub async fn find(&self, did: &str, id: &str) -> Result<Service, XrpcError> {
        let unknown = || XrpcError::invalid_request("could not resolve proxy did");
        let did: Did = did.parse().map_err(|_| unknown())?;
        if did == self.settings.own_did {
            return Err(itself());
        }
        let resolved = self.dids.resolve(&did).await.ok().flatten().ok_or_else(unknown)?;
        let url = resolved.document.service(id).and_then(|service| service.url());
        let url = url.and_then(|url| Url::parse(url).ok());
        let url = url.ok_or_else(|| XrpcError::invalid_request("could not resolve proxy did service url"))?;
        self.called(Service {
            did,
            url,
            chosen: Chosen::ByCaller,
        })
    }

    /// A service of the settings, and what it is to us.
    ///
    /// # Errors
    /// 400 if it is ourselves.
    pub fn configured(&self, upstream: &Upstream, observed: Observed) -> Result<Service, XrpcError> {
        let url = Url::parse(&upstream.url).map_err(|error| XrpcError::internal(&error))?;
        self.called(Service {
            did: upstream.did.clone(),
            url,
            chosen: Chosen::ByOperator(observed),
        })
    }

    fn default_service(&self, nsid: &str) -> Default<'_> {
        let settings = &self.settings;
        let (upstream, id, observed) = if nsid == CREATE_REPORT {
            (&settings.report_service, LABELER, Observed::Report)
        } else if nsid.starts_with(MODERATION) {
            (&settings.moderation_service, LABELER, Observed::Moderation)
        } else {
            (&settings.appview, APPVIEW, Observed::AppView)
        };
        Default {
            upstream: upstream.as_ref(),
            id,
            observed,
        }
    }

    /// Lets a service through unless it is this server. One that leads back here by another name finds its token refused.
    fn called(&self, service: Service) -> Result<Service, XrpcError> {
        let authority = |url: &Url| (url.host_str().map(str::to_owned), url.port_or_known_default());
        let own = Url::parse(&self.settings.own_url).ok();
        if own.is_some_and(|own| authority(&own) == authority(&service.url)) {
            return Err(itself());
        }
        Ok(service)
    }
}

impl Service {
    /// What it is to us.
    pub(super) fn observed(&self) -> Observed {
        match self.chosen {
            Chosen::ByOperator(observed) => observed,
            Chosen::ByCaller => Observed::Proxied,
        }
    }

    /// The address of a method at the service.
    pub(super) fn address(&self, nsid: &str, query: Option<&str>) -> Url {
        let mut url = self.url.clone();
        let path = format!("{}/xrpc/{nsid}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url.set_query(query);
        url.set_fragment(None);
        url
    }
}

fn not_configured(nsid: &str) -> XrpcError {
    XrpcError::invalid_request(format!("No service configured for {nsid}"))
}

fn itself() -> XrpcError {
    XrpcError::invalid_request("the service to proxy to is this server")
}
