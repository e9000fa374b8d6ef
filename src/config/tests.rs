//! The settings as an operator meets them: defaults, secrets, what is told of them, and the page that documents them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod values;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::setting::Fallback;
use super::tables::{TABLES, all_settings};
use super::{BlobStoreConfig, Config, LogLevel, SmtpConfig, SmtpTls};

const ROTATION_KEY: &str = "PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX";
/// Without the `PDS_` in front.
const REFERENCE_NAMES: &str = include_str!("reference_names.txt");

/// The least an operator must set, with `changes` on top; an empty value takes a setting away.
fn environment(changes: &[(&str, &str)]) -> HashMap<String, String> {
    let key = "c5a1f0d3b7e24c8f9a6b3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a";
    let mut environment: HashMap<String, String> = [
        ("PDS_HOSTNAME", "pds.example.com"),
        ("PDS_ADMIN_PASSWORD", "0123456789abcdef"),
        ("PDS_JWT_SECRET", "0123456789abcdef0123456789abcdef"),
        (ROTATION_KEY, key),
        // Decided: they are off.
        ("PDS_BSKY_APP_VIEW_URL", ""),
        ("PDS_REPORT_SERVICE_URL", ""),
        ("PDS_CRAWLERS", ""),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    environment.extend(
        changes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    environment
}

fn read(changes: &[(&str, &str)]) -> Config {
    Config::from_env_map(&environment(changes)).unwrap_or_else(|error| panic!("{changes:?}: {error}"))
}

/// The names that are complained about, in order.
fn wrong(changes: &[(&str, &str)]) -> Vec<String> {
    match Config::from_env_map(&environment(changes)) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(|problem| problem.name.clone()).collect(),
    }
}

fn message(changes: &[(&str, &str)]) -> String {
    Config::from_env_map(&environment(changes)).unwrap_err().to_string()
}

#[test]
fn every_name_of_the_reference_is_known_and_names_are_unique() {
    let names: BTreeSet<&str> = all_settings().map(|setting| setting.name).collect();
    assert_eq!(names.len(), all_settings().count(), "a name is in two tables");
    let reference: BTreeSet<String> = REFERENCE_NAMES
        .split_whitespace()
        .map(|name| format!("PDS_{name}"))
        .collect();
    assert_eq!(reference.len(), 93);
    for name in &reference {
        assert!(names.contains(name.as_str()), "{name}");
    }
    let own: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !reference.contains(*name))
        .collect();
    let expected = [
        "LOG_DESTINATION",
        "LOG_ENABLED",
        "LOG_LEVEL",
        "LOG_SYSTEMS",
        "PDS_ALLOW_BLOB_STORE_CHANGE",
        "PDS_ALLOW_HOSTNAME_CHANGE",
        "PDS_BIND_ADDRESS",
        "PDS_COPY_BEFORE_MIGRATION",
        "PDS_EMAIL_SMTP_HOST",
        "PDS_EMAIL_SMTP_PASSWORD",
        "PDS_EMAIL_SMTP_PORT",
        "PDS_EMAIL_SMTP_TLS",
        "PDS_EMAIL_SMTP_USER",
        "PDS_KEY_ENCRYPTION_KEY",
        "PDS_METRICS_PORT",
        "PDS_REPO_CACHE_BYTES",
        "PDS_TRUSTED_PROXIES",
    ];
    assert_eq!(own, expected);
}

#[test]
fn defaults_are_those_of_the_reference() {
    let config = read(&[]);
    assert_eq!(config.service.hostname, "pds.example.com");
    assert_eq!(config.service.port, 2583);
    assert_eq!(config.service.bind_address.to_string(), "0.0.0.0");
    assert_eq!(config.service.public_url, "https://pds.example.com");
    assert_eq!(config.service.did.as_str(), "did:web:pds.example.com");
    assert_eq!(config.service.version, None);
    assert!(!config.service.dev_mode && !config.fetch.disable_ssrf_protection);
    assert_eq!(config.storage.data_directory, Path::new("."));
    assert_eq!(config.storage.repo_cache_bytes, 64 * 1024 * 1024);
    assert_eq!(config.identity.plc_url, "https://plc.directory");
    assert_eq!(config.identity.service_handle_domains, [".pds.example.com"]);
    assert!(config.invites.required && config.invites.interval.is_none() && config.invites.epoch == 0);
    assert_eq!(config.firehose.backfill_limit, Duration::from_hours(24));
    assert_eq!(config.firehose.max_subscription_buffer, 500);
    assert_eq!(config.blobs.upload_limit, 100 << 20);
    assert_eq!(config.branding.service_name, "pds.example.com PDS");
    assert!(config.limits.enabled);
    // Unlike the reference, which says nothing unless asked to.
    assert!(config.log.enabled && config.log.level == LogLevel::Info);
    assert!(config.not_in_use_yet().is_empty() && config.warnings().is_empty() && config.unknown().is_empty());
}

#[test]
fn localhost_is_reached_without_tls() {
    let config = read(&[("PDS_HOSTNAME", ""), ("PDS_PORT", "3000"), ("PDS_DEV_MODE", "1")]);
    assert_eq!(config.service.public_url, "http://localhost:3000");
    assert_eq!(config.service.did.as_str(), "did:web:localhost");
    assert_eq!(config.identity.service_handle_domains, [".test"]);
    assert!(config.fetch.disable_ssrf_protection);
    assert!(
        !read(&[("PDS_DEV_MODE", "1"), ("PDS_DISABLE_SSRF_PROTECTION", "0")])
            .fetch
            .disable_ssrf_protection
    );
}

#[test]
fn secrets_are_never_shown() {
    let secret = "sm7p-s3cret";
    let secrets: Vec<&str> = all_settings()
        .filter(|setting| setting.secret)
        .map(|setting| setting.name)
        .collect();
    for &name in &secrets {
        let said = match Config::from_env_map(&environment(&[(name, secret)])) {
            Ok(config) => format!("{config:?}"),
            Err(error) => error.to_string(),
        };
        assert!(!said.contains(secret), "{name}: {said}");
    }
    let mail = ("PDS_EMAIL_FROM_ADDRESS", "noreply@example.com");
    let config = read(&[
        ("PDS_EMAIL_SMTP_URL", "smtps://user:sm7p-s3cret@smtp.example.com:465/"),
        mail,
    ]);
    let shown = format!("{config:?}");
    assert!(
        !shown.contains(secret) && !shown.contains("0123456789abcdef") && !shown.contains("c5a1f0"),
        "{shown}"
    );
}

#[test]
fn a_secret_may_be_kept_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    fs::write(&path, "  from a file\n").unwrap();
    let path = path.to_str().unwrap();
    let file = ("PDS_ADMIN_PASSWORD_FILE", path);
    let config = read(&[("PDS_ADMIN_PASSWORD", ""), file]);
    assert_eq!(config.secrets.admin_password.expose(), "from a file");
    assert!(config.unknown().is_empty());

    assert_eq!(wrong(&[file]), ["PDS_ADMIN_PASSWORD_FILE"], "both are set");
    assert_eq!(
        read(&[("PDS_ADMIN_PASSWORD_FILE", "")]).secrets.admin_password.expose(),
        "0123456789abcdef"
    );
    fs::write(path, " \n").unwrap();
    assert_eq!(
        wrong(&[("PDS_ADMIN_PASSWORD", ""), file]),
        ["PDS_ADMIN_PASSWORD_FILE"],
        "empty"
    );
    fs::write(path, "a".repeat(65 * 1024)).unwrap();
    assert_eq!(
        wrong(&[("PDS_ADMIN_PASSWORD", ""), file]),
        ["PDS_ADMIN_PASSWORD_FILE"],
        "too large"
    );
    let missing = directory.path().join("none");
    let missing = [
        ("PDS_ADMIN_PASSWORD", ""),
        ("PDS_ADMIN_PASSWORD_FILE", missing.to_str().unwrap()),
    ];
    assert_eq!(wrong(&missing), ["PDS_ADMIN_PASSWORD_FILE"], "missing");
}

#[test]
fn messages_help() {
    assert!(message(&[("PDS_PORT", "tcp://10.247.3.1:3000")]).contains("enableServiceLinks"));
    let kms = message(&[(ROTATION_KEY, ""), ("PDS_PLC_ROTATION_KEY_KMS_KEY_ID", "arn:1")]);
    assert!(
        kms.contains("not in use yet") && kms.contains("PDS_KEY_ENCRYPTION_KEY"),
        "{kms}"
    );
    assert_eq!(read(&[("PDS_HOST", "x")]).unknown()[0].name, "PDS_HOST");
}

#[test]
fn what_is_not_built_is_reported() {
    let config = read(&[
        ("PDS_ERROR_COLOR", "#ff0000"),
        ("PDS_PORT", "3000"),
        ("PDS_LOGO_URL", ""),
    ]);
    assert_eq!(config.not_in_use_yet(), ["PDS_ERROR_COLOR"]);
}

#[test]
fn what_is_off_because_nothing_was_said_is_told_in_one_warning() {
    let mut environment = environment(&[]);
    let names = ["PDS_CRAWLERS", "PDS_BSKY_APP_VIEW_URL", "PDS_REPORT_SERVICE_URL"];
    for name in names {
        environment.remove(name);
    }
    let config = Config::from_env_map(&environment).unwrap();
    assert_eq!(config.warnings().len(), 1, "{:?}", config.warnings());
    assert!(names.iter().all(|name| config.warnings()[0].contains(name)));
    environment.insert("PDS_MOD_SERVICE_URL".to_owned(), "https://mod.example.com".to_owned());
    environment.insert("PDS_MOD_SERVICE_DID".to_owned(), "did:web:mod.example.com".to_owned());
    let config = Config::from_env_map(&environment).unwrap();
    assert!(
        !config.warnings()[0].contains("PDS_REPORT_SERVICE_URL"),
        "reports go there"
    );
}

#[test]
fn odd_but_harmless_settings_are_warned_about() {
    for (name, value) in [
        ("PDS_EMAIL_FROM_ADDRESS", "noreply@example.com"),
        ("PDS_EMAIL_SMTP_PORT", "465"),
        ("PDS_ACCOUNT_DB_LOCATION", "/pds/account.sqlite"),
        ("PDS_REPORT_SERVICE_DID", "did:web:mod.example.com"),
        ("PDS_HCAPTCHA_SITE_KEY", "key"),
        ("PDS_JWT_SECRET", "short"),
        ("PDS_ADMIN_PASSWORD", "short"),
        ("PDS_HOSTNAME", ""),
        ("PDS_INVITE_REQUIRED", "false"),
    ] {
        let config = read(&[(name, value)]);
        assert_eq!(config.warnings().len(), 1, "{name}: {:?}", config.warnings());
        assert!(config.warnings()[0].contains(name), "{name}: {:?}", config.warnings());
    }
}

#[test]
fn a_mail_server_has_the_port_of_its_encryption() {
    for (changes, port, tls) in [
        (&[][..], 587, SmtpTls::StartTls),
        (&[("PDS_EMAIL_SMTP_PORT", "465")], 465, SmtpTls::FromTheStart),
        (&[("PDS_EMAIL_SMTP_PORT", "2525")], 2525, SmtpTls::StartTls),
        (&[("PDS_EMAIL_SMTP_TLS", "tls")], 465, SmtpTls::FromTheStart),
        (&[("PDS_EMAIL_SMTP_TLS", "none")], 587, SmtpTls::Never),
        (
            &[("PDS_EMAIL_SMTP_TLS", "none"), ("PDS_EMAIL_SMTP_PORT", "25")],
            25,
            SmtpTls::Never,
        ),
    ] {
        let mut settings = vec![
            ("PDS_EMAIL_SMTP_HOST", "smtp.example.com"),
            ("PDS_EMAIL_SMTP_USER", "pds"),
            ("PDS_EMAIL_SMTP_PASSWORD", "p@ss/word"),
            ("PDS_EMAIL_FROM_ADDRESS", "noreply@example.com"),
        ];
        settings.extend_from_slice(changes);
        let Some(SmtpConfig::Host(host)) = read(&settings).mail.users.map(|mailbox| mailbox.server) else {
            panic!("{changes:?}")
        };
        assert_eq!((host.port, host.tls), (port, tls), "{changes:?}");
        let (user, password) = host.login.unwrap();
        assert_eq!((user.as_str(), password.expose()), ("pds", "p@ss/word"));
    }
}

#[test]
fn empty_mail_settings_are_unset() {
    let config = read(&[
        ("PDS_EMAIL_SMTP_URL", ""),
        ("PDS_EMAIL_SMTP_HOST", " "),
        ("PDS_EMAIL_FROM_ADDRESS", ""),
    ]);
    assert!(config.mail.users.is_none() && config.warnings().is_empty());
}

#[test]
fn blobs_are_kept_in_the_data_directory_or_in_a_bucket() {
    let config = read(&[("PDS_DATA_DIRECTORY", "/pds")]);
    let BlobStoreConfig::Disk {
        location,
        temporary_location,
    } = config.blobs.store
    else {
        panic!("not on disk")
    };
    assert_eq!(
        (location.to_str(), temporary_location.to_str()),
        (Some("/pds/blocks"), Some("/pds/blocks/tempt"))
    );

    let config = read(&[
        ("PDS_BLOBSTORE_S3_BUCKET", "blobs"),
        ("PDS_BLOBSTORE_S3_UPLOAD_TIMEOUT_MS", "9000"),
    ]);
    let BlobStoreConfig::S3(bucket) = config.blobs.store else {
        panic!("not in a bucket")
    };
    assert_eq!(
        (bucket.bucket.as_str(), bucket.request_timeout),
        ("blobs", Duration::from_secs(9))
    );
}

#[test]
fn a_bucket_is_not_put_in_front_of_an_ip_address() {
    let in_path = |endpoint: &str| {
        let config = read(&[
            ("PDS_BLOBSTORE_S3_BUCKET", "blobs"),
            ("PDS_BLOBSTORE_S3_ENDPOINT", endpoint),
        ]);
        matches!(config.blobs.store, BlobStoreConfig::S3(bucket) if bucket.force_path_style)
    };
    assert!(in_path("http://192.0.2.1:9000") && in_path("https://[2001:db8::1]:9000/"));
    assert!(!in_path("https://obs.eu-de.otc.t-systems.com") && !in_path("http://minio:9000"));
    for name in ["my bucket", "https://blobs", "blobs/", "-blobs", "bl\u{f6}bs"] {
        assert_eq!(
            wrong(&[("PDS_BLOBSTORE_S3_BUCKET", name)]),
            ["PDS_BLOBSTORE_S3_BUCKET"],
            "{name}"
        );
    }
}

#[test]
fn reports_go_to_the_moderation_service_by_default() {
    let changes = [
        ("PDS_MOD_SERVICE_URL", "https://mod.example.com/"),
        ("PDS_MOD_SERVICE_DID", "did:web:mod.example.com"),
    ];
    let reports = read(&changes).reports;
    assert_eq!(reports.report_service.unwrap().url, "https://mod.example.com");
}

#[test]
fn every_default_in_the_tables_is_a_good_value() {
    for setting in all_settings() {
        if let Fallback::Value(value) = setting.fallback {
            assert_eq!(wrong(&[(setting.name, value)]), [""; 0], "{}", setting.name);
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch for the person who runs the tests")]
fn the_documentation_is_up_to_date() {
    assert!(TABLES.iter().all(|(_, settings)| !settings.is_empty()));
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md"));
    let page = Config::documentation();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &page).unwrap();
    }
    let current = fs::read_to_string(path).unwrap_or_default();
    assert!(
        current == page,
        "docs/configuration.md is out of date: run `UPDATE_DOCS=1 cargo test -p pds config`"
    );
}
