//! Repos that move in.

use super::reader::Reader;
use super::setting::Setting;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("PDS_ACCEPTING_REPO_IMPORTS", "Whether accounts may import a repo.")
        .or("true")
        .not_yet(),
    Setting::new("PDS_MAX_REPO_IMPORT_SIZE", "Largest repo to import, in bytes.")
        .or_computed("unlimited")
        .not_yet(),
];

/// Repos that move in.
#[derive(Debug, Clone)]
pub struct ImportsConfig {
    /// `PDS_ACCEPTING_REPO_IMPORTS`: whether accounts may import a repo.
    pub accepting: bool,
    /// `PDS_MAX_REPO_IMPORT_SIZE`: largest repo to import, in bytes; none means no limit.
    pub max_bytes: Option<u64>,
}

impl ImportsConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            accepting: reader.flag("PDS_ACCEPTING_REPO_IMPORTS"),
            max_bytes: reader.optional_number("PDS_MAX_REPO_IMPORT_SIZE"),
        }
    }
}
