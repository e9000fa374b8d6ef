//! Values that are taken and values that are refused.

use super::*;

#[test]
fn good_values_are_accepted() {
    for (name, value) in [
        ("PDS_HOSTNAME", "PDS.Example.com"),
        ("PDS_PORT", " 0 "),
        ("PDS_BIND_ADDRESS", "::1"),
        ("PDS_SERVICE_DID", "did:web:localhost%3A2584"),
        ("PDS_INVITE_REQUIRED", "false"),
        ("PDS_SERVICE_HANDLE_DOMAINS", ".a.example, .B.example ,"),
        ("PDS_DID_PLC_URL", "http://localhost:2582/"),
        (
            "PDS_RECOVERY_DID_KEY",
            "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
        ),
        (
            "PDS_KEY_ENCRYPTION_KEY",
            "ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB",
        ),
        ("PDS_PRIVACY_POLICY_URL", "https://example.com/privacy/"),
        ("PDS_PRIMARY_COLOR", "rgb(15, 115, 255)"),
        ("PDS_CRAWLERS", "https://bsky.network,relay.example.com"),
        ("PDS_RATE_LIMIT_BYPASS_IPS", "10.0.0.0/8, ::1"),
        ("PDS_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1, fd00::/8"),
        ("PDS_REDIS_SCRATCH_ADDRESS", "redis:6379"),
        (
            "PDS_BSKY_APP_VIEW_CDN_URL_PATTERN",
            "https://cdn.example/img/%s/plain/%s/%s@jpeg",
        ),
        ("LOG_LEVEL", "debug"),
    ] {
        assert_eq!(wrong(&[(name, value)]), [""; 0], "{name}={value}");
    }
}

#[test]
fn wrong_values_are_refused_by_name() {
    for (name, value) in [
        ("PDS_HOSTNAME", "https://pds.example.com"),
        ("PDS_HOSTNAME", "pds.example.com/x"),
        ("PDS_HOSTNAME", "pds.example.com:443"),
        ("PDS_HOSTNAME", "*.example.com"),
        ("PDS_HOSTNAME", "-pds.example.com"),
        ("PDS_PORT", "65536"),
        ("PDS_PORT", "tcp://10.247.3.1:3000"),
        ("PDS_BIND_ADDRESS", "localhost"),
        ("PDS_METRICS_PORT", "2583"),
        ("PDS_SERVICE_DID", "pds.example.com"),
        ("PDS_DEV_MODE", "yes"),
        ("PDS_INVITE_REQUIRED", "False"),
        ("PDS_INVITE_INTERVAL", "-1"),
        ("PDS_SERVICE_HANDLE_DOMAINS", ".example.com,example.org"),
        ("PDS_SERVICE_HANDLE_DOMAINS", "."),
        ("PDS_DID_PLC_URL", "plc.directory"),
        ("PDS_RECOVERY_DID_KEY", "did:key:zQ3sh"),
        ("PDS_DID_CACHE_STALE_TTL", "86400001"),
        ("PDS_MAX_SUBSCRIPTION_BUFFER", "0"),
        ("PDS_BLOB_UPLOAD_LIMIT", "100MB"),
        ("PDS_PRIVACY_POLICY_URL", "javascript:alert(1)"),
        ("PDS_PRIMARY_COLOR", "red;}body{"),
        ("PDS_CRAWLERS", "ftp://relay.example.com"),
        ("PDS_RATE_LIMIT_BYPASS_IPS", "proxy"),
        ("PDS_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("PDS_BSKY_APP_VIEW_CDN_URL_PATTERN", "https://cdn.example/%s"),
        ("PDS_EMAIL_FROM_ADDRESS", "nobody"),
        ("PDS_EMAIL_SMTP_URL", "https://smtp.example.com"),
        ("PDS_EMAIL_SMTP_HOST", "smtps://smtp.example.com"),
        ("PDS_EMAIL_SMTP_PORT", "0"),
        ("PDS_EMAIL_SMTP_TLS", "yes"),
        ("LOG_LEVEL", "INFO"),
        ("PDS_JWT_SECRET", " \n"),
        ("PDS_ADMIN_PASSWORD", ""),
        (ROTATION_KEY, ""),
        (ROTATION_KEY, "c5a1"),
        (
            ROTATION_KEY,
            "0000000000000000000000000000000000000000000000000000000000000000",
        ),
        (
            ROTATION_KEY,
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ),
        (
            "PDS_KEY_ENCRYPTION_KEY",
            "+babababababababababababababababababababababababababababababababa",
        ),
        ("PDS_DPOP_SECRET", "short"),
    ] {
        assert_eq!(wrong(&[(name, value)]), [name], "{name}={value}");
    }
}

#[test]
fn settings_that_contradict_or_need_each_other_are_refused() {
    let bucket = ("PDS_BLOBSTORE_S3_BUCKET", "blobs");
    let smtp_host = ("PDS_EMAIL_SMTP_HOST", "smtp.example.com");
    let sender = ("PDS_EMAIL_FROM_ADDRESS", "noreply@example.com");
    for (changes, name) in [
        (
            vec![bucket, ("PDS_BLOBSTORE_DISK_LOCATION", "/pds/blocks")],
            "PDS_BLOBSTORE_S3_BUCKET",
        ),
        (
            vec![bucket, ("PDS_BLOBSTORE_S3_ACCESS_KEY_ID", "id")],
            "PDS_BLOBSTORE_S3_SECRET_ACCESS_KEY",
        ),
        (
            vec![bucket, ("PDS_BLOBSTORE_S3_SECRET_ACCESS_KEY", "key")],
            "PDS_BLOBSTORE_S3_ACCESS_KEY_ID",
        ),
        (
            vec![("PDS_EMAIL_SMTP_URL", "smtps://u:p@smtp.example.com:465/")],
            "PDS_EMAIL_FROM_ADDRESS",
        ),
        (
            vec![("PDS_EMAIL_SMTP_HOST", "smtp.example.com")],
            "PDS_EMAIL_FROM_ADDRESS",
        ),
        (
            vec![smtp_host, sender, ("PDS_EMAIL_SMTP_USER", "pds")],
            "PDS_EMAIL_SMTP_PASSWORD",
        ),
        (
            vec![smtp_host, sender, ("PDS_EMAIL_SMTP_PASSWORD", "secret")],
            "PDS_EMAIL_SMTP_USER",
        ),
        (
            vec![smtp_host, sender, ("PDS_EMAIL_SMTP_URL", "smtp://smtp.example.com")],
            "PDS_EMAIL_SMTP_HOST",
        ),
        (
            vec![("PDS_BSKY_APP_VIEW_URL", "https://api.example.com")],
            "PDS_BSKY_APP_VIEW_DID",
        ),
        (
            vec![("PDS_PLC_ROTATION_KEY_KMS_KEY_ID", "arn:1")],
            "PDS_PLC_ROTATION_KEY_KMS_KEY_ID",
        ),
        (
            vec![(ROTATION_KEY, ""), ("PDS_PLC_ROTATION_KEY_KMS_KEY_ID", "arn:1")],
            "PDS_PLC_ROTATION_KEY_KMS_KEY_ID",
        ),
    ] {
        assert_eq!(wrong(&changes), [name], "{changes:?}");
    }
    let entryway = wrong(&[("PDS_ENTRYWAY_URL", "https://entryway.example.com")]);
    let needed = [
        "PDS_ENTRYWAY_DID",
        "PDS_ENTRYWAY_JWT_VERIFY_KEY_K256_PUBLIC_KEY_HEX",
        "PDS_ENTRYWAY_PLC_ROTATION_KEY",
    ];
    assert_eq!(entryway, needed);
}

#[test]
fn everything_wrong_is_said_at_once() {
    let error = Config::from_env_map(&HashMap::from([("PDS_PORT".to_owned(), "x".to_owned())])).unwrap_err();
    let expected = "4 settings are wrong:\
        \n  PDS_PORT: must be a port number from 0 to 65535, got \"x\"\
        \n  PDS_ADMIN_PASSWORD: must be set, or PDS_ADMIN_PASSWORD_FILE\
        \n  PDS_JWT_SECRET: must be set, or PDS_JWT_SECRET_FILE\
        \n  PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX: must be set, or PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX_FILE";
    assert_eq!(error.to_string(), expected);
}
