//! Relays that are asked to crawl this server.

use super::reader::{Reader, is_web_address};
use super::setting::Setting;

const CRAWLERS: &str = "PDS_CRAWLERS";

pub(super) const SETTINGS: &[Setting] = &[Setting::new(
    CRAWLERS,
    "Relays asked to crawl this server, such as `https://bsky.network`; without one, nobody sees what is posted here.",
)];

/// Relays that are asked to crawl this server.
#[derive(Debug, Clone)]
pub struct CrawlersConfig {
    /// `PDS_CRAWLERS`: addresses without `/` at the end; a bare host name means `https`.
    pub relays: Vec<String>,
}

impl CrawlersConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        reader.remind_if_unset(CRAWLERS);
        let mut relays = Vec::new();
        for entry in reader.list(CRAWLERS) {
            let address = if entry.contains("://") {
                entry.clone()
            } else {
                format!("https://{entry}")
            };
            if is_web_address(&address) {
                relays.push(address.trim_end_matches('/').to_owned());
            } else {
                reader.refuse(CRAWLERS, "a comma-separated list of https:// addresses", &entry);
            }
        }
        Self { relays }
    }
}
