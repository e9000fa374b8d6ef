//! The server's own secrets.

use atproto_data::SigningKey;
use atproto_data::crypto::Curve;
use zeroize::Zeroizing;

use super::reader::Reader;
use super::secret::Secret;
use super::setting::Setting;

const ROTATION_KEY: &str = "PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX";
const ROTATION_KEY_KMS: &str = "PDS_PLC_ROTATION_KEY_KMS_KEY_ID";
const KEY_ENCRYPTION_KEY: &str = "PDS_KEY_ENCRYPTION_KEY";

/// Secrets shorter than this many characters are remarked upon.
const COMFORTABLE_JWT_SECRET: usize = 32;
const COMFORTABLE_ADMIN_PASSWORD: usize = 8;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "PDS_ADMIN_PASSWORD",
        "Password of the user `admin` (HTTP Basic) on admin methods.",
    )
    .required()
    .secret(),
    Setting::new(
        "PDS_JWT_SECRET",
        "Key of session tokens (HS256); changing it logs everybody out.",
    )
    .required()
    .secret(),
    Setting::new(
        ROTATION_KEY,
        "The server's PLC rotation key: 64 hex digits, a secp256k1 private key. Back it up: whoever loses it loses \
         control of the identities hosted here.",
    )
    .required()
    .secret(),
    Setting::new(
        ROTATION_KEY_KMS,
        "Rotation key in a KMS instead of in hex; needs `PDS_KEY_ENCRYPTION_KEY`.",
    )
    .not_yet(),
    Setting::new(
        KEY_ENCRYPTION_KEY,
        "Key that seals the accounts' signing keys at rest: 64 hex digits.",
    )
    .or_computed("derived from the PLC rotation key")
    .secret(),
    Setting::new("PDS_DPOP_SECRET", "Seed of DPoP nonces: 64 hex digits.")
        .or_computed("random at start")
        .secret()
        .not_yet(),
];

/// The server's own secrets.
#[derive(Debug, Clone)]
pub struct SecretsConfig {
    /// `PDS_ADMIN_PASSWORD`: password of the user `admin` on admin methods.
    pub admin_password: Secret,
    /// `PDS_JWT_SECRET`: HS256 key of session tokens.
    pub jwt_secret: Secret,
    /// `PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX`: the server's PLC rotation key, on curve k256.
    pub plc_rotation_key: SigningKey,
    /// `PDS_KEY_ENCRYPTION_KEY`: seals the signing keys; none means one derived from the rotation key.
    pub key_encryption_key: Option<Zeroizing<[u8; 32]>>,
    /// `PDS_DPOP_SECRET`: seed of DPoP nonces; none means random at start.
    pub dpop_secret: Option<Zeroizing<[u8; 32]>>,
}

impl SecretsConfig {
    /// Nothing if a required secret is missing or wrong.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let admin_password = reader.secret("PDS_ADMIN_PASSWORD");
        let jwt_secret = reader.secret("PDS_JWT_SECRET");
        let kms_key = reader.text(ROTATION_KEY_KMS);
        let plc_rotation_key = if kms_key.is_none() {
            read_rotation_key(reader)
        } else {
            None
        };
        let key_encryption_key = read_key(reader, KEY_ENCRYPTION_KEY);
        let dpop_secret = read_key(reader, "PDS_DPOP_SECRET");
        if kms_key.is_some() {
            refuse_kms(reader);
        }
        if jwt_secret
            .as_ref()
            .is_some_and(|secret| secret.expose().len() < COMFORTABLE_JWT_SECRET)
        {
            reader.warn("PDS_JWT_SECRET is short: take 32 hex digits or more (openssl rand --hex 16)");
        }
        if admin_password
            .as_ref()
            .is_some_and(|password| password.expose().len() < COMFORTABLE_ADMIN_PASSWORD)
        {
            reader.warn("PDS_ADMIN_PASSWORD is short: whoever guesses it owns all accounts (openssl rand --hex 16)");
        }
        Some(Self {
            admin_password: admin_password?,
            jwt_secret: jwt_secret?,
            plc_rotation_key: plc_rotation_key?,
            key_encryption_key,
            dpop_secret,
        })
    }
}

fn refuse_kms(reader: &mut Reader<'_>) {
    let message = if reader.is_given(ROTATION_KEY) {
        format!("is set beside {ROTATION_KEY}: keep one of the two; keys in a KMS are not in use yet")
    } else if reader.is_given(KEY_ENCRYPTION_KEY) {
        format!("keys in a KMS are not in use yet: set {ROTATION_KEY} instead")
    } else {
        format!(
            "keys in a KMS are not in use yet: set {ROTATION_KEY} instead (a key in a KMS will need {KEY_ENCRYPTION_KEY})"
        )
    };
    reader.problem(ROTATION_KEY_KMS, message);
}

fn read_rotation_key(reader: &mut Reader<'_>) -> Option<SigningKey> {
    let bytes = read_key(reader, ROTATION_KEY)?;
    let key = SigningKey::from_bytes(Curve::K256, &bytes).ok();
    if key.is_none() {
        reader.problem(
            ROTATION_KEY,
            "must be a valid secp256k1 private key (not zero, below the group's order)",
        );
    }
    key
}

fn read_key(reader: &mut Reader<'_>, name: &'static str) -> Option<Zeroizing<[u8; 32]>> {
    let secret = reader.secret(name)?;
    let key = parse_key(secret.expose());
    if key.is_none() {
        let characters = secret.expose().chars().count();
        reader.problem(
            name,
            format!("must be 64 hex digits (32 bytes), got {characters} characters"),
        );
    }
    key
}

fn parse_key(hex: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    if hex.len() != 2 * key.len() || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(key)
}
