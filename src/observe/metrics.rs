//! All metrics of the server: what `/metrics` shows. Names and labels are a contract with the alerts and the dashboard in `ops/`.

use super::metric::{Counter, Gauge, Histogram, Render};

/// Bounds of the time of requests, in seconds.
const REQUEST_TIMES: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Bounds of the time of parts of a write, in seconds.
const WRITE_TIMES: &[f64] = &[
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
];
/// Bounds of the number of jobs in a transaction.
const GROUP_SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// Makes a static of each metric; its comment is also its help text. Counters and histograms name the series that they show from the start.
macro_rules! metrics {
    ($(#[doc = $help:literal] $name:ident: $kind:ident<$labels:literal>($($argument:expr),+);)+) => {
        $(
            #[doc = $help]
            pub static $name: $kind<$labels> = metrics!(@new $kind, $help, $($argument),+);
        )+

        /// All of them, in the order of this file.
        static ALL: &[&dyn Render] = &[$(&$name),+];
    };
    (@new Gauge, $help:literal, $text:expr, $labels:expr) => { Gauge::new($text, $labels, $help) };
    (@new Counter, $help:literal, $text:expr, $labels:expr, $expected:expr) => {
        Counter::with($text, $labels, $help, &[], $expected)
    };
    (@new Histogram, $help:literal, $text:expr, $labels:expr, $expected:expr, $bounds:expr) => {
        Histogram::with($text, $labels, $help, $bounds, $expected)
    };
}

metrics! {
    /// The program: always 1.
    BUILD_INFO: Gauge<2>("pds_build_info", ["version", "revision"]);
    /// Whether /readyz answers 200.
    READY: Gauge<0>("pds_ready", []);
    /// What does not work while the rest does: 1 for each reason that holds.
    DEGRADED: Gauge<1>("pds_degraded", ["reason"]);
    /// Whether writes are refused: the disk is read-only, failed, or was too full for the last of them.
    WRITES_STOPPED: Gauge<0>("pds_writes_stopped", []);

    /// Requests answered.
    HTTP_REQUESTS: Counter<2>("pds_http_requests_total", ["method", "status"], &[]);
    /// Time until the head of the answer.
    HTTP_REQUEST_TIME: Histogram<1>("pds_http_request_duration_seconds", ["method"], &[], REQUEST_TIMES);
    /// Requests whose answer has not begun.
    HTTP_IN_FLIGHT: Gauge<0>("pds_http_requests_in_flight", []);
    /// Handlers that panicked.
    HTTP_PANICS: Counter<0>("pds_http_panics_total", [], &[[]]);
    /// Whether a proxy hides the addresses of clients, so that limits on addresses are not enforced.
    CLIENT_ADDRESSES_HIDDEN: Gauge<0>("pds_client_addresses_hidden", []);
    /// Answers 429.
    RATE_LIMITED: Counter<1>("pds_rate_limited_total", ["key"], &[["account"], ["address"], ["identifier"], ["server"]]);

    /// Time of the parts of a write to a repo.
    WRITE_STAGE_TIME: Histogram<1>("pds_write_stage_duration_seconds", ["stage"], &[], WRITE_TIMES);
    /// Jobs in one transaction.
    WRITE_GROUP_SIZE: Histogram<0>("pds_write_group_size", [], &[[]], GROUP_SIZES);
    /// Time of a COMMIT with its fsync.
    WRITE_FSYNC_TIME: Histogram<0>("pds_write_fsync_duration_seconds", [], &[[]], WRITE_TIMES);
    /// Jobs that wait for the writer.
    WRITE_QUEUE_DEPTH: Gauge<0>("pds_write_queue_depth", []);
    /// Writes to repos.
    WRITES: Counter<1>("pds_writes_total", ["outcome"], &[["ok"], ["refused"], ["failed"]]);

    /// Connected subscribers of the firehose.
    FIREHOSE_SUBSCRIBERS: Gauge<0>("pds_firehose_subscribers", []);
    /// Events that the slowest live subscriber is behind.
    FIREHOSE_LAG: Gauge<0>("pds_firehose_subscriber_lag_events", []);
    /// Events that got their place.
    FIREHOSE_EVENTS: Counter<1>("pds_firehose_events_total", ["type"], &[["commit"], ["sync"], ["identity"], ["account"]]);
    /// Subscriptions that ended.
    FIREHOSE_DISCONNECTS: Counter<1>(
        "pds_firehose_disconnects_total",
        ["reason"],
        &[["consumer_too_slow"], ["closed"], ["error"], ["shutdown"]]
    );
    /// Time of the newest event.
    FIREHOSE_LAST_EVENT: Gauge<0>("pds_firehose_last_event_timestamp_seconds", []);

    /// Memory of the cached trees.
    TREE_CACHE_BYTES: Gauge<0>("pds_tree_cache_bytes", []);
    /// Memory that cached trees may take.
    TREE_CACHE_LIMIT_BYTES: Gauge<0>("pds_tree_cache_limit_bytes", []);
    /// Look-ups of trees.
    TREE_CACHE_REQUESTS: Counter<1>("pds_tree_cache_requests_total", ["result"], &[["hit"], ["miss"]]);
    /// Repos whose records were found not to match their signed head.
    REPOS_QUARANTINED: Gauge<0>("pds_repos_quarantined", []);

    /// Accounts by status.
    ACCOUNTS: Gauge<1>("pds_accounts", ["status"]);
    /// Sign-ups that wait for the PLC directory.
    ACCOUNTS_PENDING: Gauge<0>("pds_accounts_pending", []);
    /// Accounts that were created.
    ACCOUNTS_CREATED: Counter<1>("pds_accounts_created_total", ["kind"], &[["new"], ["moved_in"]]);
    /// Logins with a password.
    LOGINS: Counter<1>("pds_logins_total", ["outcome"], &[["ok"], ["wrong_password"], ["refused"]]);

    /// Blobs that are kept.
    BLOBS: Gauge<0>("pds_blobs", []);
    /// Their bytes.
    BLOB_BYTES: Gauge<0>("pds_blob_bytes", []);
    /// Uploads.
    BLOB_UPLOADS: Counter<1>("pds_blob_uploads_total", ["outcome"], &[["ok"], ["refused"], ["failed"]]);

    /// Mails that wait: new ones, and such that could not be sent yet.
    MAIL_OUTBOX: Gauge<1>("pds_mail_outbox", ["state"]);
    /// Mails that were sent, could not be sent for now, or were given up.
    MAIL_SENT: Counter<1>("pds_mail_sent_total", ["outcome"], &[["ok"], ["failed"], ["dropped"]]);

    /// Requests to other services.
    UPSTREAM_REQUESTS: Counter<2>("pds_upstream_requests_total", ["service", "outcome"], &[]);
    /// Time until the head of their answer.
    UPSTREAM_REQUEST_TIME: Histogram<1>("pds_upstream_request_duration_seconds", ["service"], &[], REQUEST_TIMES);

    /// Requests to relays to crawl this server.
    CRAWL_REQUESTS: Counter<1>("pds_relay_crawl_requests_total", ["outcome"], &[["ok"], ["failed"]]);
    /// Events in the busiest second of the last hour, in the last hour and in the last day, as relays count them.
    RELAY_EVENTS: Gauge<1>("pds_relay_events", ["window"]);
    /// Events that relays allow a new host.
    RELAY_EVENT_LIMIT: Gauge<1>("pds_relay_event_limit", ["window"]);
    /// Accounts, whatever their status, as relays count them.
    RELAY_ACCOUNTS: Gauge<0>("pds_relay_accounts", []);
    /// Accounts that relays allow a new host.
    RELAY_ACCOUNT_LIMIT: Gauge<0>("pds_relay_account_limit", []);

    /// What is to be removed in the background.
    JOBS_QUEUED: Gauge<1>("pds_jobs_queued", ["what"]);
    /// Runs of background jobs.
    JOB_RUNS: Counter<2>("pds_job_runs_total", ["name", "outcome"], &[]);

    /// Size of the database file.
    DATABASE_BYTES: Gauge<0>("pds_database_bytes", []);
    /// Size of its write-ahead log.
    DATABASE_WAL_BYTES: Gauge<0>("pds_database_wal_bytes", []);
    /// What this server may still write to the file system of the data directory.
    DISK_FREE_BYTES: Gauge<0>("pds_disk_free_bytes", []);
    /// Size of that file system.
    DISK_SIZE_BYTES: Gauge<0>("pds_disk_size_bytes", []);

    /// User and system time.
    PROCESS_CPU: Gauge<0>("process_cpu_seconds_total", []);
    /// Memory in RAM.
    PROCESS_MEMORY: Gauge<0>("process_resident_memory_bytes", []);
    /// Open file descriptors.
    PROCESS_OPEN_FDS: Gauge<0>("process_open_fds", []);
    /// File descriptors that may be open.
    PROCESS_MAX_FDS: Gauge<0>("process_max_fds", []);
    /// When the process started.
    PROCESS_START: Gauge<0>("process_start_time_seconds", []);
    /// Its threads.
    PROCESS_THREADS: Gauge<0>("process_threads", []);
}

/// All metrics that have a value, in Prometheus' text format.
pub fn render() -> String {
    let mut out = String::new();
    for metric in ALL {
        metric.render(&mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Name, kind and labels of each metric in docs/metrics.md.
    fn documented() -> BTreeSet<(String, String, Vec<String>)> {
        let mut found = BTreeSet::new();
        for line in include_str!("../../docs/metrics.md").lines() {
            let cells: Vec<&str> = line.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
            let [names, kind, labels, _] = cells[..] else { continue };
            let kind = kind.split(',').next().unwrap_or_default();
            let labels: Vec<String> = labels
                .split("; ")
                .filter_map(|label| label.split(':').next())
                .filter(|label| *label != "–")
                .map(str::to_owned)
                .collect();
            for name in names.split(", ").filter(|name| name.starts_with('`')) {
                found.insert((name.trim_matches('`').to_owned(), kind.to_owned(), labels.clone()));
            }
        }
        found
    }

    #[test]
    fn the_document_lists_these_metrics() {
        let ours = ALL.iter().map(|metric| {
            let (name, kind, labels) = metric.describe();
            let labels = labels.into_iter().map(str::to_owned).collect();
            (name.to_owned(), kind.to_owned(), labels)
        });
        assert_eq!(documented(), ours.collect());
    }
}
