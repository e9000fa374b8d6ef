//! What each service needs to know of the configuration.

use std::path::PathBuf;

use atproto_data::Did;

use super::ServerDescription;
use crate::account::{AccountSettings, InviteEarning};
use crate::appview::AppViewSettings;
use crate::appview::local::ImageUrls;
use crate::blob::{BlobSettings, BucketAddressing, BucketSettings};
use crate::config::{BlobStoreConfig, Config, S3Config};
use crate::identity::{DidDocumentsSettings, KeySealer};
use crate::outbound::Reach;
use crate::server::Site;
use crate::server::limits::LimitSettings;

const MICROS_PER_MILLISECOND: i64 = 1_000;

pub(super) fn sealer(config: &Config) -> KeySealer {
    match &config.secrets.key_encryption_key {
        Some(key) => KeySealer::from_encryption_key(key),
        None => KeySealer::from_rotation_key(&config.secrets.plc_rotation_key),
    }
}

pub(super) fn moderation_service(config: &Config) -> Option<Did> {
    config
        .reports
        .moderation_service
        .as_ref()
        .map(|service| service.did.clone())
}

/// How far requests to addresses that users chose may go.
pub(super) fn reach(config: &Config) -> Reach {
    if config.fetch.disable_ssrf_protection {
        Reach::Anywhere
    } else {
        Reach::Public
    }
}

pub(super) fn appview(config: &Config) -> AppViewSettings {
    AppViewSettings {
        appview: config.appview.service.clone(),
        moderation_service: config.reports.moderation_service.clone(),
        report_service: config.reports.report_service.clone(),
        proxy: config.proxy.clone(),
        images: ImageUrls {
            pattern: config.appview.cdn_url_pattern.clone(),
            own_url: config.service.public_url.clone(),
        },
        own_did: config.service.did.clone(),
        own_url: config.service.public_url.clone(),
    }
}

pub(super) fn resolution(config: &Config) -> DidDocumentsSettings {
    DidDocumentsSettings {
        stale_ttl: config.identity.did_cache_stale_ttl,
        max_ttl: config.identity.did_cache_max_ttl,
        timeout: config.identity.resolver_timeout,
    }
}

pub(super) fn site(config: &Config) -> Site {
    Site {
        hostname: config.service.hostname.clone(),
        public_url: config.service.public_url.clone(),
        service_did: config.service.did.to_string(),
        handle_domains: config.identity.service_handle_domains.clone(),
        version: config
            .service
            .version
            .clone()
            .unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
    }
}

pub(super) fn limits(config: &Config) -> LimitSettings {
    let limits = &config.limits;
    LimitSettings {
        enabled: limits.enabled,
        bypass_key: limits.bypass_key.as_ref().map(|key| key.expose().to_owned()),
        bypass_addresses: limits.bypass_ips.clone(),
        trusted_proxies: limits.trusted_proxies.clone(),
    }
}

/// Where data is written: the data directory first.
pub(super) fn directories(config: &Config) -> Vec<PathBuf> {
    let mut directories = vec![config.storage.data_directory.clone()];
    if let BlobStoreConfig::Disk { location, .. } = &config.blobs.store {
        directories.push(location.clone());
    }
    directories
}

pub(crate) fn blobs(config: &Config) -> BlobSettings {
    match &config.blobs.store {
        BlobStoreConfig::Disk {
            location,
            temporary_location,
        } => BlobSettings::Disk {
            location: location.clone(),
            temporary_location: temporary_location.clone(),
        },
        BlobStoreConfig::S3(s3) => BlobSettings::Bucket {
            bucket: bucket(s3),
            spool: config.storage.data_directory.join("tmp"),
        },
    }
}

fn bucket(s3: &S3Config) -> BucketSettings {
    let credentials = s3.credentials.as_ref();
    BucketSettings {
        name: s3.bucket.clone(),
        region: s3.region.clone(),
        endpoint: s3.endpoint.clone(),
        addressing: if s3.force_path_style {
            BucketAddressing::Path
        } else {
            BucketAddressing::HostName
        },
        credentials: credentials.map(|(id, secret)| (id.expose().to_owned(), secret.expose().to_owned().into())),
        upload_timeout: s3.upload_timeout,
        request_timeout: s3.request_timeout,
    }
}

pub(super) fn accounts(config: &Config) -> AccountSettings {
    AccountSettings {
        service_did: config.service.did.clone(),
        hostname: config.service.hostname.clone(),
        public_url: config.service.public_url.clone(),
        service_handle_domains: config.identity.service_handle_domains.clone(),
        invite_required: config.invites.required,
        invite_earning: config.invites.interval.map(|interval| InviteEarning {
            interval,
            epoch: i64::try_from(config.invites.epoch)
                .unwrap_or(i64::MAX)
                .saturating_mul(MICROS_PER_MILLISECOND),
        }),
        jwt_secret: config.secrets.jwt_secret.expose().to_owned().into(),
        plc_rotation_key: config.secrets.plc_rotation_key.clone(),
        recovery_did_key: config.identity.recovery_did_key.clone(),
        did_document_with_session: config.identity.enable_did_doc_with_session,
    }
}

pub(super) fn description(config: &Config) -> ServerDescription {
    ServerDescription {
        did: config.service.did.clone(),
        invite_code_required: config.invites.required,
        blob_upload_limit: config.blobs.upload_limit,
        privacy_policy: config.branding.privacy_policy_url.clone(),
        terms_of_service: config.branding.terms_of_service_url.clone(),
        contact_email: config.branding.contact_email_address.clone(),
    }
}
