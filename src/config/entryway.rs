//! An entryway: one sign-in in front of several servers.

use atproto_data::crypto::Curve;
use atproto_data::{Did, PublicKey};

use super::identity::read_did_key;
use super::reader::Reader;
use super::secret::Secret;
use super::setting::Setting;

const URL: &str = "PDS_ENTRYWAY_URL";
const DID: &str = "PDS_ENTRYWAY_DID";
const JWT_KEY: &str = "PDS_ENTRYWAY_JWT_VERIFY_KEY_K256_PUBLIC_KEY_HEX";
const ROTATION_KEY: &str = "PDS_ENTRYWAY_PLC_ROTATION_KEY";

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(URL, "Entryway in front of this server; needs the next three.").not_yet(),
    Setting::new(DID, "Its DID.").not_yet(),
    Setting::new(JWT_KEY, "Public key of its session tokens: a secp256k1 key in hex.").not_yet(),
    Setting::new(ROTATION_KEY, "Its PLC rotation key, a `did:key`.").not_yet(),
    Setting::new("PDS_ENTRYWAY_ADMIN_TOKEN", "Password for its admin methods.")
        .or_computed("`PDS_ADMIN_PASSWORD`")
        .secret()
        .not_yet(),
];

/// An entryway: one sign-in in front of several servers.
#[derive(Debug, Clone)]
pub struct EntrywayConfig {
    /// `PDS_ENTRYWAY_URL`: its address, without `/` at the end.
    pub url: String,
    /// `PDS_ENTRYWAY_DID`: its DID.
    pub did: Did,
    /// `PDS_ENTRYWAY_JWT_VERIFY_KEY_K256_PUBLIC_KEY_HEX`: verifies its session tokens.
    pub jwt_key: PublicKey,
    /// `PDS_ENTRYWAY_PLC_ROTATION_KEY`: its PLC rotation key, a `did:key`.
    pub plc_rotation_key: String,
    /// `PDS_ENTRYWAY_ADMIN_TOKEN`: password for its admin methods; none means our own admin password.
    pub admin_token: Option<Secret>,
}

impl EntrywayConfig {
    /// None without `PDS_ENTRYWAY_URL`, as in the reference server.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = reader.url(URL);
        let needed = [DID, JWT_KEY, ROTATION_KEY];
        for name in needed {
            if url.is_some() && reader.text(name).is_none() {
                reader.problem(name, format!("must be set beside {URL}"));
            }
        }
        let did = reader.parsed(DID, "a DID", |text| text.parse().ok());
        let jwt_key = reader.parsed(JWT_KEY, "a secp256k1 public key in hex", parse_public_key);
        let plc_rotation_key = read_did_key(reader, ROTATION_KEY);
        let admin_token = reader.secret("PDS_ENTRYWAY_ADMIN_TOKEN");
        Some(Self {
            url: url?,
            did: did?,
            jwt_key: jwt_key?,
            plc_rotation_key: plc_rotation_key?,
            admin_token,
        })
    }
}

fn parse_public_key(hex: &str) -> Option<PublicKey> {
    let digits: Option<Vec<u32>> = hex.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    let bytes: Vec<u8> = digits
        .chunks(2)
        .filter_map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok())
        .collect();
    PublicKey::from_uncompressed_or_compressed(Curve::K256, &bytes).ok()
}
