//! Who this server is and where it listens.

use std::net::IpAddr;

use atproto_data::Did;

use super::reader::Reader;
use super::setting::Setting;

/// Longest host name, in characters (RFC 1035).
const MAX_HOSTNAME: usize = 253;
/// Longest label of a host name, in characters (RFC 1035).
const MAX_LABEL: usize = 63;

/// Where a server lives that nobody was told of.
const LOCALHOST: &str = "localhost";

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("PDS_HOSTNAME", "Public host name, without scheme, port or path.").or(LOCALHOST),
    Setting::new(
        "PDS_ALLOW_HOSTNAME_CHANGE",
        "Start although `PDS_HOSTNAME` differs from that of the last start and there are accounts, whose DID documents lead to the former.",
    )
    .or("false"),
    Setting::new("PDS_PORT", "TCP port to listen on (the container image sets 3000).").or("2583"),
    Setting::new("PDS_BIND_ADDRESS", "Address to listen on.").or("0.0.0.0"),
    Setting::new(
        "PDS_METRICS_PORT",
        "TCP port on which `/metrics` is served in Prometheus' text format; not at all without it.",
    ),
    Setting::new("PDS_SERVICE_DID", "DID of the server itself.").or_computed("`did:web:<PDS_HOSTNAME>`"),
    Setting::new("PDS_VERSION", "Version shown by `/xrpc/_health`.").or_computed("the version of the program"),
    Setting::new(
        "PDS_DEV_MODE",
        "Development: plain-http issuers and local addresses are allowed.",
    )
    .or("false"),
];

/// Who this server is and where it listens.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// `PDS_HOSTNAME`: public host name, lower-case, nothing else in it.
    pub hostname: String,
    /// `PDS_ALLOW_HOSTNAME_CHANGE`: start under another host name than the last time, whatever accounts there are.
    pub allow_hostname_change: bool,
    /// `PDS_PORT`: TCP port to listen on; 0 lets the system choose.
    pub port: u16,
    /// `PDS_BIND_ADDRESS`: address to listen on.
    pub bind_address: IpAddr,
    /// `PDS_METRICS_PORT`: TCP port of the metrics listener.
    pub metrics_port: Option<u16>,
    /// From `PDS_HOSTNAME`: `https://<hostname>`, for localhost `http://localhost:<port>`; no `/` at the end.
    pub public_url: String,
    /// `PDS_SERVICE_DID`: DID of the server itself.
    pub did: Did,
    /// `PDS_VERSION`: shown instead of the program's own version.
    pub version: Option<String>,
    /// `PDS_DEV_MODE`: allow what is needed to develop on one machine.
    pub dev_mode: bool,
}

impl ServiceConfig {
    /// Nothing if a setting without which there is no service is wrong.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let hostname = read_hostname(reader);
        let allow_hostname_change = reader.flag("PDS_ALLOW_HOSTNAME_CHANGE");
        let port = read_port(reader, "PDS_PORT").unwrap_or_default();
        let bind_address = reader.parsed("PDS_BIND_ADDRESS", "an IP address", |text| text.parse().ok());
        let metrics_port = read_port(reader, "PDS_METRICS_PORT");
        let given_did = reader.text("PDS_SERVICE_DID");
        let version = reader.text("PDS_VERSION");
        let dev_mode = reader.flag("PDS_DEV_MODE");
        if metrics_port == Some(port) && port != 0 {
            reader.problem("PDS_METRICS_PORT", "must differ from PDS_PORT");
        }

        let hostname = hostname?;
        if hostname == LOCALHOST && !dev_mode {
            let warning = "PDS_HOSTNAME is not set: accounts made here tell the world that they live on localhost, where nobody finds them";
            reader.warn(warning);
        }
        let did_text = given_did.unwrap_or_else(|| format!("did:web:{hostname}"));
        let Ok(did) = did_text.parse() else {
            reader.refuse("PDS_SERVICE_DID", "a DID such as did:web:pds.example.com", &did_text);
            return None;
        };
        Some(Self {
            public_url: public_url(&hostname, port),
            hostname,
            allow_hostname_change,
            port,
            bind_address: bind_address?,
            metrics_port,
            did,
            version,
            dev_mode,
        })
    }
}

impl ServiceConfig {
    /// Notes the port that the system chose for port 0.
    pub fn listens_on(&mut self, port: u16) {
        self.port = port;
        self.public_url = public_url(&self.hostname, port);
    }
}

fn public_url(hostname: &str, port: u16) -> String {
    if hostname == LOCALHOST {
        format!("http://localhost:{port}")
    } else {
        format!("https://{hostname}")
    }
}

fn read_hostname(reader: &mut Reader<'_>) -> Option<String> {
    let wants = "a host name such as pds.example.com, without scheme, port or path";
    reader.parsed("PDS_HOSTNAME", wants, |text| {
        is_hostname(text).then(|| text.to_ascii_lowercase())
    })
}

fn read_port(reader: &mut Reader<'_>, name: &'static str) -> Option<u16> {
    let text = reader.text(name)?;
    if text.starts_with("tcp://") {
        let hint = "must be a port number from 0 to 65535; Kubernetes sets this name for a Service called `pds`: \
                    set `enableServiceLinks: false` on the pod";
        reader.problem(name, hint);
        return None;
    }
    let port = text.parse().ok();
    if port.is_none() {
        reader.refuse(name, "a port number from 0 to 65535", &text);
    }
    port
}

/// True for a DNS host name (RFC 1123): labels of letters, digits and inner hyphens.
pub(super) fn is_hostname(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= MAX_HOSTNAME && text.split('.').all(is_label)
}
