//! The event stream `com.atproto.sync.subscribeRepos`.

use std::time::Duration;

use super::reader::Reader;
use super::setting::Setting;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "PDS_REPO_BACKFILL_LIMIT_MS",
        "How long events are kept for subscribers that come back, in ms.",
    )
    .or("86400000"),
    Setting::new(
        "PDS_MAX_SUBSCRIPTION_BUFFER",
        "Events a subscriber may lag behind before it is cut off.",
    )
    .or("500"),
];

/// The event stream `com.atproto.sync.subscribeRepos`.
#[derive(Debug, Clone)]
pub struct FirehoseConfig {
    /// `PDS_REPO_BACKFILL_LIMIT_MS`: how long events are kept for subscribers that come back.
    pub backfill_limit: Duration,
    /// `PDS_MAX_SUBSCRIPTION_BUFFER`: events a subscriber may lag behind before it is cut off; at least 1.
    pub max_subscription_buffer: usize,
}

impl FirehoseConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let positive = |text: &str| text.parse().ok().filter(|&number: &usize| number > 0);
        Self {
            backfill_limit: reader.milliseconds("PDS_REPO_BACKFILL_LIMIT_MS"),
            max_subscription_buffer: reader
                .parsed("PDS_MAX_SUBSCRIPTION_BUFFER", "a whole number above 0", positive)
                .unwrap_or_default(),
        }
    }
}
