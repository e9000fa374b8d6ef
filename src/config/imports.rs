//! Repos that move in.

use super::reader::Reader;
use super::setting::Setting;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("PDS_ACCEPTING_REPO_IMPORTS", "Whether accounts may import a repo.").or("true"),
    Setting::new("PDS_MAX_REPO_IMPORT_SIZE", "Largest repo to import, in bytes.").or("1073741824"),
];

/// Repos that move in.
#[derive(Debug, Clone)]
pub struct ImportsConfig {
    /// `PDS_ACCEPTING_REPO_IMPORTS`: whether accounts may import a repo.
    pub accepting: bool,
    /// `PDS_MAX_REPO_IMPORT_SIZE`: largest repo to import, in bytes.
    pub max_bytes: u64,
}

impl ImportsConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            accepting: reader.flag("PDS_ACCEPTING_REPO_IMPORTS"),
            max_bytes: reader.number("PDS_MAX_REPO_IMPORT_SIZE"),
        }
    }
}
