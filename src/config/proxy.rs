//! Requests that are passed on to an AppView or another service.

use std::time::Duration;

use super::reader::Reader;
use super::setting::Setting;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("PDS_PROXY_ALLOW_HTTP2", "Use HTTP/2 towards services.").or("false"),
    Setting::new("PDS_PROXY_HEADERS_TIMEOUT", "Time until a service's headers, in ms.").or("10000"),
    Setting::new(
        "PDS_PROXY_BODY_TIMEOUT",
        "Time between two parts of a service's body, in ms.",
    )
    .or("30000"),
    Setting::new(
        "PDS_PROXY_MAX_RESPONSE_SIZE",
        "Largest answer of a service, in bytes; decoded where it is read as a whole.",
    )
    .or("10485760"),
    Setting::new("PDS_PROXY_MAX_RETRIES", "How often a failed request is sent again.").or("0"),
    Setting::new(
        "PDS_PROXY_PREFER_COMPRESSED",
        "Ask services for compressed answers even where they must be read.",
    )
    .or("false"),
];

/// Requests that are passed on to an AppView or another service.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    /// `PDS_PROXY_ALLOW_HTTP2`: use HTTP/2 towards services.
    pub allow_http2: bool,
    /// `PDS_PROXY_HEADERS_TIMEOUT`: time until a service's headers.
    pub headers_timeout: Duration,
    /// `PDS_PROXY_BODY_TIMEOUT`: time between two parts of a service's body.
    pub body_timeout: Duration,
    /// `PDS_PROXY_MAX_RESPONSE_SIZE`: largest answer, in bytes; decoded where it is read as a whole.
    pub max_response_bytes: u64,
    /// `PDS_PROXY_MAX_RETRIES`: how often a failed request is sent again.
    pub max_retries: u64,
    /// `PDS_PROXY_PREFER_COMPRESSED`: ask for compressed answers even where they must be read.
    pub prefer_compressed: bool,
}

impl ProxyConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            allow_http2: reader.flag("PDS_PROXY_ALLOW_HTTP2"),
            headers_timeout: reader.milliseconds("PDS_PROXY_HEADERS_TIMEOUT"),
            body_timeout: reader.milliseconds("PDS_PROXY_BODY_TIMEOUT"),
            max_response_bytes: reader.number("PDS_PROXY_MAX_RESPONSE_SIZE"),
            max_retries: reader.number("PDS_PROXY_MAX_RETRIES"),
            prefer_compressed: reader.flag("PDS_PROXY_PREFER_COMPRESSED"),
        }
    }
}
