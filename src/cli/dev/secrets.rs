//! The generated secrets of a development server, kept beside its data.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::random::{self, Random};

const FILE: &str = "dev-secrets.json";

/// What a server needs and nobody but its developer has to know.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct DevSecrets {
    pub(super) admin_password: String,
    pub(super) jwt_secret: String,
    pub(super) plc_rotation_key: String,
}

impl DevSecrets {
    pub(super) fn load_or_create(directory: &Path, random: &dyn Random) -> std::io::Result<DevSecrets> {
        let path = directory.join(FILE);
        if path.exists() {
            return Ok(serde_json::from_slice(&std::fs::read(&path)?)?);
        }
        let secrets = DevSecrets {
            admin_password: hex(&random::bytes::<16>(random)),
            jwt_secret: hex(&random::bytes::<16>(random)),
            // All but a vanishing share of 32-byte strings are valid keys; the settings are checked again anyway.
            plc_rotation_key: hex(&random::bytes::<32>(random)),
        };
        let mut file = File::options().create_new(true).write(true).mode(0o600).open(&path)?;
        file.write_all(&serde_json::to_vec_pretty(&secrets)?)?;
        Ok(secrets)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
