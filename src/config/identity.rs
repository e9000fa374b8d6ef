//! DIDs, handles and the PLC directory.

use std::time::Duration;

use atproto_data::PublicKey;

use super::reader::Reader;
use super::service::is_hostname;
use super::setting::Setting;

const HANDLE_DOMAINS: &str = "PDS_SERVICE_HANDLE_DOMAINS";

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("PDS_DID_PLC_URL", "The PLC directory.").or("https://plc.directory"),
    Setting::new(
        "PDS_RECOVERY_DID_KEY",
        "A `did:key` put before the server's own among the PLC rotation keys of new accounts.",
    ),
    Setting::new(
        HANDLE_DOMAINS,
        "Domains under which accounts may choose a handle, each with a dot in front.",
    )
    .or_computed("`.<PDS_HOSTNAME>`, on localhost `.test`"),
    Setting::new(
        "PDS_HANDLE_BACKUP_NAMESERVERS",
        "Name servers asked when the system's find no handle: IP addresses, perhaps with ports, or host names.",
    ),
    Setting::new(
        "PDS_ENABLE_DID_DOC_WITH_SESSION",
        "Put the DID document into the answers of session methods.",
    )
    .or("false"),
    Setting::new("PDS_ID_RESOLVER_TIMEOUT", "Time to resolve a DID or handle, in ms.").or("3000"),
    Setting::new(
        "PDS_DID_CACHE_STALE_TTL",
        "Age after which a cached DID document is refreshed, in ms.",
    )
    .or("3600000"),
    Setting::new(
        "PDS_DID_CACHE_MAX_TTL",
        "Age after which a cached DID document is not used any more, in ms.",
    )
    .or("86400000"),
];

/// DIDs, handles and the PLC directory.
#[derive(Debug, Clone)]
pub struct IdentityConfig {
    /// `PDS_DID_PLC_URL`: the PLC directory, without `/` at the end.
    pub plc_url: String,
    /// `PDS_RECOVERY_DID_KEY`: a `did:key` put before the server's own among a new account's rotation keys.
    pub recovery_did_key: Option<String>,
    /// `PDS_SERVICE_HANDLE_DOMAINS`: lower-case domains for handles, each starting with a dot; never empty.
    pub service_handle_domains: Vec<String>,
    /// `PDS_HANDLE_BACKUP_NAMESERVERS`: name servers asked when the system's find no handle.
    pub handle_backup_nameservers: Vec<String>,
    /// `PDS_ENABLE_DID_DOC_WITH_SESSION`: put the DID document into the answers of session methods.
    pub enable_did_doc_with_session: bool,
    /// `PDS_ID_RESOLVER_TIMEOUT`: time to resolve a DID or handle.
    pub resolver_timeout: Duration,
    /// `PDS_DID_CACHE_STALE_TTL`: age after which a cached DID document is refreshed.
    pub did_cache_stale_ttl: Duration,
    /// `PDS_DID_CACHE_MAX_TTL`: age after which a cached DID document is not used any more.
    pub did_cache_max_ttl: Duration,
}

impl IdentityConfig {
    /// `hostname` is that of the service; none if it is wrong, which is reported elsewhere.
    pub(super) fn read(reader: &mut Reader<'_>, hostname: Option<&str>) -> Self {
        let identity = Self {
            plc_url: reader.url("PDS_DID_PLC_URL").unwrap_or_default(),
            recovery_did_key: read_did_key(reader, "PDS_RECOVERY_DID_KEY"),
            service_handle_domains: read_handle_domains(reader, hostname.unwrap_or("localhost")),
            handle_backup_nameservers: reader.list("PDS_HANDLE_BACKUP_NAMESERVERS"),
            enable_did_doc_with_session: reader.flag("PDS_ENABLE_DID_DOC_WITH_SESSION"),
            resolver_timeout: reader.milliseconds("PDS_ID_RESOLVER_TIMEOUT"),
            did_cache_stale_ttl: reader.milliseconds("PDS_DID_CACHE_STALE_TTL"),
            did_cache_max_ttl: reader.milliseconds("PDS_DID_CACHE_MAX_TTL"),
        };
        if identity.did_cache_stale_ttl > identity.did_cache_max_ttl {
            reader.problem(
                "PDS_DID_CACHE_STALE_TTL",
                "must not be larger than PDS_DID_CACHE_MAX_TTL",
            );
        }
        identity
    }
}

/// A `did:key` of one of the two curves of the protocol.
pub(super) fn read_did_key(reader: &mut Reader<'_>, name: &'static str) -> Option<String> {
    reader.parsed(name, "a did:key of a k256 or p256 key", |text| {
        PublicKey::from_did_key(text).is_ok().then(|| text.to_owned())
    })
}

fn read_handle_domains(reader: &mut Reader<'_>, hostname: &str) -> Vec<String> {
    let domains = reader.list(HANDLE_DOMAINS);
    for domain in &domains {
        if !domain.strip_prefix('.').is_some_and(is_hostname) {
            reader.refuse(
                HANDLE_DOMAINS,
                "a comma-separated list of domains such as .example.com, each with a dot in front",
                domain,
            );
        }
    }
    match (domains.is_empty(), hostname) {
        (false, _) => domains.iter().map(|domain| domain.to_ascii_lowercase()).collect(),
        (true, "localhost") => vec![".test".to_owned()],
        (true, hostname) => vec![format!(".{hostname}")],
    }
}
