//! Requests to other services: counted, and remembered as a condition while they fail.

use std::sync::Arc;
use std::time::Instant;

use super::{Condition, Conditions, metrics};

/// A service that this server calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The PLC directory.
    Plc,
    /// The AppView.
    AppView,
    /// The moderation service.
    Moderation,
    /// The service that takes reports.
    Report,
    /// Services that callers named, such as the one of direct messages.
    Proxied,
    /// Relays.
    Relay,
    /// The bucket of blobs.
    BlobStore,
    /// Addresses that users chose: DID documents, handles, client metadata.
    Identity,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// It was answered.
    Ok,
    /// It was refused (4xx): the service works.
    ClientError,
    /// The service failed (5xx, or an answer that is none).
    ServerError,
    /// The answer took too long, or the connection broke.
    Timeout,
    /// There was no connection.
    Unreachable,
}

impl Service {
    const fn name(self) -> &'static str {
        match self {
            Service::Plc => "plc",
            Service::AppView => "appview",
            Service::Moderation => "moderation",
            Service::Report => "report",
            Service::Proxied => "proxied",
            Service::Relay => "relay",
            Service::BlobStore => "blob_store",
            Service::Identity => "identity",
        }
    }

    /// The condition that begins when one request fails. An [`Outage`](super::Outage) tells when the AppView and relays are down; a
    /// user's server or moderators that are away concern few.
    const fn condition(self) -> Option<Condition> {
        match self {
            Service::Plc => Some(Condition::Plc),
            Service::BlobStore => Some(Condition::BlobStore),
            _ => None,
        }
    }
}

impl CallOutcome {
    const fn name(self) -> &'static str {
        match self {
            CallOutcome::Ok => "ok",
            CallOutcome::ClientError => "client_error",
            CallOutcome::ServerError => "server_error",
            CallOutcome::Timeout => "timeout",
            CallOutcome::Unreachable => "unreachable",
        }
    }

    /// What an HTTP status says of the service.
    pub fn of_status(status: u16) -> CallOutcome {
        match status {
            500.. => CallOutcome::ServerError,
            400..500 => CallOutcome::ClientError,
            _ => CallOutcome::Ok,
        }
    }

    /// What a failed request says of it.
    pub fn of_error(error: &reqwest::Error) -> CallOutcome {
        if error.is_connect() {
            CallOutcome::Unreachable
        } else if let Some(status) = error.status() {
            CallOutcome::of_status(status.as_u16())
        } else {
            CallOutcome::Timeout
        }
    }

    /// Whether the service works, whatever it thinks of the request.
    pub const fn works(self) -> bool {
        matches!(self, CallOutcome::Ok | CallOutcome::ClientError)
    }
}

/// A request under way.
#[derive(Debug)]
pub struct UpstreamCall {
    service: Service,
    started: Instant,
}

impl UpstreamCall {
    /// Begins a request.
    pub fn begin(service: Service) -> UpstreamCall {
        UpstreamCall {
            service,
            started: Instant::now(),
        }
    }

    /// Counts how it ended.
    pub fn ends(self, outcome: CallOutcome) {
        let service = self.service.name();
        metrics::UPSTREAM_REQUESTS.increment([service, outcome.name()]);
        metrics::UPSTREAM_REQUEST_TIME.record_time([service], self.started.elapsed());
    }

    /// Counts how it ended, and remembers whether the service works.
    pub fn ends_and_tells(self, outcome: CallOutcome, conditions: &Arc<Conditions>) {
        if let Some(condition) = self.service.condition() {
            if outcome.works() {
                conditions.ends(condition);
            } else {
                conditions.begins(condition);
            }
        }
        self.ends(outcome);
    }
}
