//! Which service a call goes to.

use atproto_data::Did;
use axum::http::HeaderMap;
use reqwest::Url;

use super::{AppView, AppViewError, AppViewSettings, proxy_header};
use crate::config::Upstream;
use crate::identity::ResolveError;
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

/// Why a service is not found.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// There is no such DID, or none that can be resolved.
    #[error("could not resolve proxy did")]
    Did,
    /// Its document cannot be had at the moment.
    #[error("could not resolve proxy did at the moment")]
    Document,
    /// Its document has no such service, or no address of it.
    #[error("could not resolve proxy did service url")]
    Service,
    /// It is ourselves.
    #[error("the service to proxy to is this server")]
    Itself,
    /// Too many are being looked up.
    #[error(transparent)]
    TooMany(XrpcError),
}

impl From<NotFound> for XrpcError {
    fn from(error: NotFound) -> XrpcError {
        match error {
            NotFound::TooMany(error) => error,
            NotFound::Document => XrpcError::upstream_failure(error.to_string()),
            _ => XrpcError::invalid_request(error.to_string()),
        }
    }
}

/// The services of the settings, with addresses to which methods can be added.
pub(super) struct Services {
    pub(super) appview: Option<Service>,
    moderation: Option<Service>,
    reports: Option<Service>,
    /// Our own origin.
    own: Url,
}

impl Services {
    pub(super) fn of(settings: &AppViewSettings) -> Result<Services, AppViewError> {
        let service = |upstream: Option<&Upstream>, observed| {
            let service = upstream.map(|upstream| Service::of_operator(upstream, observed));
            service.transpose()
        };
        Ok(Services {
            appview: service(settings.appview.as_ref(), Observed::AppView)?,
            moderation: service(settings.moderation_service.as_ref(), Observed::Moderation)?,
            reports: service(settings.report_service.as_ref(), Observed::Report)?,
            own: parse(&settings.own_url)?,
        })
    }

    /// The service that answers a method, and its name in its DID document.
    fn answering(&self, nsid: &str) -> (Option<&Service>, &'static str) {
        if nsid == CREATE_REPORT {
            (self.reports.as_ref(), LABELER)
        } else if nsid.starts_with(MODERATION) {
            (self.moderation.as_ref(), LABELER)
        } else {
            (self.appview.as_ref(), APPVIEW)
        }
    }
}

impl AppView {
    /// Whom a call is for: the service that its `atproto-proxy` header names, else the one that the settings have for the method.
    ///
    /// # Errors
    /// 400 for a malformed header, or if there is no service for the method.
    pub fn proxy_to(&self, headers: &HeaderMap, nsid: &str) -> Result<ProxyTo, XrpcError> {
        if let Some(value) = headers.get(proxy_header::NAME).filter(|value| !value.is_empty()) {
            let malformed = || XrpcError::invalid_request("invalid proxy header format");
            if headers.get_all(proxy_header::NAME).iter().count() > 1 {
                return Err(malformed());
            }
            let (did, id) = proxy_header::parse(value.to_str().map_err(|_| malformed())?)?;
            return Ok(ProxyTo {
                did: did.to_owned(),
                id: id.to_owned(),
            });
        }
        let (service, id) = self.services.answering(nsid);
        let service = service.ok_or_else(|| not_configured(nsid))?;
        Ok(ProxyTo {
            did: service.did.to_string(),
            id: id.to_owned(),
        })
    }

    /// The service that an account's call is for. Those of the settings are called where the settings say, others where their DID document says.
    ///
    /// # Errors
    /// 400 as [`Self::proxy_to`], for a service that there is not, and for ourselves; 502 if its DID document cannot be had at the
    /// moment; 429 if the account looks for too many services at once.
    pub async fn service(&self, caller: &Did, headers: &HeaderMap, nsid: &str) -> Result<Service, XrpcError> {
        if headers
            .get(proxy_header::NAME)
            .is_none_or(axum::http::HeaderValue::is_empty)
        {
            let (service, _) = self.services.answering(nsid);
            return Ok(self.configured(service.ok_or_else(|| not_configured(nsid))?)?);
        }
        let to = self.proxy_to(headers, nsid)?;
        Ok(match self.appview() {
            Some(appview) if self.is_appview(&to) => self.configured(appview)?,
            _ => self.find(caller, &to.did, &to.id).await?,
        })
    }

    /// Whether a service is the AppView of the settings.
    pub fn is_own(&self, service: &Service) -> bool {
        service.chosen == Chosen::ByOperator(Observed::AppView)
    }

    /// Whether a call is for the AppView of the settings.
    pub fn is_appview(&self, to: &ProxyTo) -> bool {
        let did = self.appview().map(|appview| appview.did.as_str());
        did == Some(to.did.as_str()) && to.id == APPVIEW
    }

    /// The service `id` of a DID's document, for an account.
    ///
    /// # Errors
    /// If there is none, it cannot be looked up, or it is ourselves.
    pub async fn find(&self, caller: &Did, did: &str, id: &str) -> Result<Service, NotFound> {
        let did: Did = did.parse().map_err(|_| NotFound::Did)?;
        if did == self.settings.own_did {
            return Err(NotFound::Itself);
        }
        let lookup = self.guarded_capacity.lookup(caller).map_err(NotFound::TooMany)?;
        let resolved = self.dids.resolve(&did).await;
        drop(lookup);
        let resolved = resolved.map_err(|error| match error {
            ResolveError::Unsupported(_) => NotFound::Did,
            ResolveError::Failed(_) => NotFound::Document,
        })?;
        let resolved = resolved.ok_or(NotFound::Did)?;
        let url = resolved.document.service(id).and_then(|service| service.url());
        let url = url.and_then(|url| Url::parse(url).ok()).ok_or(NotFound::Service)?;
        self.called(Service {
            did,
            url,
            chosen: Chosen::ByCaller,
        })
    }

    /// A service of the settings, and what it is to us.
    ///
    /// # Errors
    /// If it is ourselves.
    pub fn configured(&self, service: &Service) -> Result<Service, NotFound> {
        self.called(service.clone())
    }

    /// Lets a service through unless it is this server. One that leads back here by another name finds its token refused.
    fn called(&self, service: Service) -> Result<Service, NotFound> {
        if authority(&self.services.own) == authority(&service.url) {
            return Err(NotFound::Itself);
        }
        Ok(service)
    }
}

/// Where a URL leads, whatever its path.
fn authority(url: &Url) -> (Option<&str>, Option<u16>) {
    (url.host_str(), url.port_or_known_default())
}

fn parse(url: &str) -> Result<Url, AppViewError> {
    Url::parse(url).map_err(|_| AppViewError::Address(url.to_owned()))
}

impl Service {
    fn of_operator(upstream: &Upstream, observed: Observed) -> Result<Service, AppViewError> {
        Ok(Service {
            did: upstream.did.clone(),
            url: parse(&upstream.url)?,
            chosen: Chosen::ByOperator(observed),
        })
    }

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
