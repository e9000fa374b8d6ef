//! What the operator sees: metrics, and what `/readyz` says of things that do not work while the rest does.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::TestApp;
use crate::harness::{AppView, Behaviour, Plc, SmtpSink, TestRelay, http_get};
use crate::proxy::server;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(40);

/// The series of a scrape and their values.
pub(crate) type Scrape = BTreeMap<String, f64>;

/// A metrics listener on any free port, as the log tells.
pub(crate) fn metrics_url(app: &TestApp) -> String {
    let log = app.process().log();
    let lines = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut urls = lines.filter(|line| line["message"] == "serving metrics");
    urls.next().unwrap()["url"].as_str().unwrap().to_owned()
}

/// One series; none if it is not shown.
pub(crate) async fn series(app: &TestApp, name: &str) -> Option<f64> {
    scrape(&metrics_url(app)).await.1.get(name).copied()
}

/// Waits until a series has a value.
pub(crate) async fn becomes(app: &TestApp, name: &str, value: f64) {
    let is_so = async { while series(app, name).await != Some(value) {} };
    let found = tokio::time::timeout(PATIENCE, is_so).await;
    assert!(found.is_ok(), "{name} is {:?}, not {value}", series(app, name).await);
}

pub(crate) async fn scrape(url: &str) -> (String, Scrape) {
    let (status, text) = http_get(url).await.unwrap();
    assert_eq!(status, 200);
    let parsed = parse(&text);
    (text, parsed)
}

/// Reads the text format; whatever does not follow it fails the test.
fn parse(text: &str) -> Scrape {
    let mut series = Scrape::new();
    let mut kinds = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{line} twice");
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let family = name.split('{').next().unwrap();
            let is_known = ["", "_bucket", "_sum", "_count"]
                .iter()
                .any(|suffix| family.strip_suffix(suffix).is_some_and(|name| kinds.contains_key(name)));
            assert!(is_known, "{line} has no TYPE");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(series.insert(name.to_owned(), value).is_none(), "{line} twice");
        }
    }
    series
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_what_happened_and_nothing_of_whom() {
    let app = TestApp::start_with(&[("PDS_METRICS_PORT", "0")]).await;
    let url = metrics_url(&app);
    let mut firehose = app.firehose(None).await;
    let alice = app.account("alice").await;
    for rkey in ["a", "b"] {
        alice.create("com.example.note", rkey, &json!({"text": "Hello"})).await;
    }
    firehose.frame().await;
    alice
        .call("com.atproto.repo.createRecord", &json!({}))
        .await
        .refused(400, "InvalidRequest");
    for number in 0..20 {
        // No client makes series of its own.
        app.api.query(&format!("com.example.made{number}"), &[]).await;
        http_get(&format!("http://{}/made/up/{number}", app.api.address()))
            .await
            .unwrap();
    }
    let (text, now) = scrape(&url).await;
    for (series, expected) in [
        (
            "pds_http_requests_total{method=\"com.atproto.repo.createRecord\",status=\"200\"}",
            2.0,
        ),
        (
            "pds_http_requests_total{method=\"com.atproto.repo.createRecord\",status=\"400\"}",
            1.0,
        ),
        ("pds_http_requests_total{method=\"proxied\",status=\"401\"}", 20.0),
        ("pds_http_requests_total{method=\"other\",status=\"404\"}", 20.0),
        (
            "pds_http_request_duration_seconds_count{method=\"com.atproto.repo.createRecord\"}",
            3.0,
        ),
        ("pds_http_requests_in_flight", 0.0),
        ("pds_writes_total{outcome=\"ok\"}", 2.0),
        ("pds_accounts_created_total{kind=\"new\"}", 1.0),
        ("pds_firehose_events_total{type=\"commit\"}", 3.0),
        ("pds_firehose_events_total{type=\"identity\"}", 1.0),
        ("pds_firehose_subscribers", 1.0),
        ("pds_write_stage_duration_seconds_count{stage=\"commit\"}", 2.0),
        ("pds_upstream_requests_total{service=\"plc\",outcome=\"ok\"}", 2.0),
        ("pds_ready", 1.0),
        ("pds_degraded{reason=\"plc\"}", 0.0),
        ("pds_writes_stopped", 0.0),
    ] {
        assert_eq!(now.get(series), Some(&expected), "{series} in\n{text}");
    }
    for series in [
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
        "pds_database_bytes",
        "pds_disk_free_bytes",
        "pds_tree_cache_bytes",
        "pds_firehose_last_event_timestamp_seconds",
    ] {
        assert!(now.get(series).is_some_and(|value| *value > 0.0), "{series} in\n{text}");
    }
    for secret in [alice.did.as_str(), "alice", "made"] {
        assert!(!text.contains(secret), "{secret} in\n{text}");
    }
    let elsewhere = url.replace("/metrics", "/");
    assert_eq!(http_get(&elsewhere).await.unwrap().0, 404);
    // The public port has no metrics.
    let public = format!("http://{}/metrics", app.api.address());
    assert_eq!(http_get(&public).await.unwrap().0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_fails_is_told_until_it_answers_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let plc = Plc::at(&listener);
    drop(listener);
    let app = TestApp::start_beside(plc.clone(), &[("PDS_METRICS_PORT", "0")]).await;
    let url = metrics_url(&app);
    let readyz = format!("http://{}/readyz", app.api.address());
    assert_eq!(
        http_get(&readyz).await.unwrap(),
        (200, json!({"status": "ok"}).to_string())
    );
    let input = app.sign_up("alice").await;
    let refused = app.api.procedure("com.atproto.server.createAccount", &input).await;
    assert!(refused.status >= 500, "{}", refused.text());
    let degraded = json!({"status": "degraded", "reasons": ["plc"]});
    assert_eq!(http_get(&readyz).await.unwrap(), (200, degraded.to_string()));
    let (text, now) = scrape(&url).await;
    for (series, expected) in [
        ("pds_degraded{reason=\"plc\"}", 1.0),
        ("pds_ready", 1.0),
        ("pds_writes_stopped", 0.0),
    ] {
        assert_eq!(now.get(series), Some(&expected), "{series} in\n{text}");
    }
    plc.serve(TcpListener::bind(address).await.unwrap());
    // Nobody has to call it: the server looks by itself.
    let recovers = async { while http_get(&readyz).await.unwrap().1.contains("degraded") {} };
    tokio::time::timeout(PATIENCE, recovers).await.unwrap();
}

/// The names of docs/metrics.md.
fn documented() -> Vec<&'static str> {
    let document = include_str!("../../docs/metrics.md");
    let names = document.split('`').filter(|word| {
        let is_name = |byte| matches!(byte, b'a'..=b'z' | b'_');
        (word.starts_with("pds_") || word.starts_with("process_")) && word.bytes().all(is_name)
    });
    names.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_shows_every_metric_of_the_document() {
    let (relay, sink) = (TestRelay::start().await, SmtpSink::start().await);
    let app = TestApp::start_with(&[
        ("PDS_METRICS_PORT", "0"),
        ("PDS_CRAWLERS", relay.url()),
        ("PDS_EMAIL_SMTP_URL", &sink.url()),
        ("PDS_EMAIL_FROM_ADDRESS", "noreply@pds.test"),
    ])
    .await;
    let url = metrics_url(&app);
    let alice = app.account("alice").await;
    alice.create("com.example.note", "a", &json!({"text": "Hello"})).await;
    let ask = alice.api.post("com.atproto.server.requestEmailConfirmation");
    assert_eq!(
        crate::Answer::to(ask.bearer_auth(&alice.access)).await.unwrap().status,
        200
    );
    sink.mail(0).await;
    becomes(&app, "pds_mail_sent_total{outcome=\"ok\"}", 1.0).await;
    let names = documented();
    assert!(names.len() > 40, "{names:?}");
    // What the database has to be asked for comes a little later.
    let all_are_there = async {
        loop {
            let (text, _) = scrape(&url).await;
            let missing: Vec<_> = names
                .iter()
                .filter(|name| !text.contains(&format!("# TYPE {name} ")))
                .collect();
            if missing.is_empty() {
                return text;
            }
        }
    };
    let text = tokio::time::timeout(PATIENCE, all_are_there).await;
    let Ok(text) = text else {
        panic!("not all of {names:?} are in\n{}", scrape(&url).await.0);
    };
    let shown = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for name in shown.filter_map(|line| line.split(' ').next()) {
        assert!(names.contains(&name), "{name} is not in docs/metrics.md");
    }
    let now = parse(&text);
    for (series, least) in [
        ("pds_write_group_size_count", 1.0),
        ("pds_write_fsync_duration_seconds_count", 1.0),
        ("pds_tree_cache_bytes", 1.0),
        ("pds_http_panics_total", 0.0),
        ("pds_repos_quarantined", 0.0),
        ("pds_relay_event_limit{window=\"hour\"}", 1.0),
    ] {
        assert!(
            now.get(series).is_some_and(|value| *value >= least),
            "{series} in\n{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_other_services_are_counted_by_service() {
    let appview = AppView::start().await;
    let (url, did) = (appview.url(), appview.did());
    let app = server(
        &appview,
        &[
            ("PDS_METRICS_PORT", "0"),
            ("PDS_MOD_SERVICE_URL", &url),
            ("PDS_MOD_SERVICE_DID", &did),
            ("PDS_REPORT_SERVICE_URL", "http://127.0.0.1:1"),
            ("PDS_REPORT_SERVICE_DID", &did),
        ],
    )
    .await;
    let alice = app.account("alice").await;
    for (status, times) in [(200, 3), (400, 2), (501, 1), (503, 1)] {
        appview.behaves("com.example.method", Behaviour::Say(status, Vec::new(), Vec::new()));
        for _ in 0..times {
            alice.query("com.example.method", &[]).await;
        }
    }
    alice.query("tools.ozone.team.listMembers", &[]).await.ok();
    let subject = json!({"$type": "com.atproto.admin.defs#repoRef", "did": alice.did.as_str()});
    let report = json!({"reasonType": "com.atproto.moderation.defs#reasonSpam", "subject": subject});
    let unreachable = alice.call("com.atproto.moderation.createReport", &report).await;
    unreachable.refused(502, "UpstreamFailure");
    let named = app.api.get("chat.bsky.convo.getLog", &[]).bearer_auth(&alice.access);
    let named = named.header("atproto-proxy", appview.service("other"));
    assert_eq!(named.send().await.unwrap().status(), 200);
    let (text, now) = scrape(&metrics_url(&app)).await;
    for (service, outcome, times) in [
        ("appview", "ok", 3.0),
        // 501: it works, and does not know the method.
        ("appview", "client_error", 3.0),
        ("appview", "server_error", 1.0),
        ("moderation", "ok", 1.0),
        ("report", "unreachable", 1.0),
        ("proxied", "ok", 1.0),
    ] {
        let series = format!("pds_upstream_requests_total{{service=\"{service}\",outcome=\"{outcome}\"}}");
        assert_eq!(now.get(&series), Some(&times), "{series} in\n{text}");
    }
    // One failure, or a few at once, are no outage.
    let readyz = http_get(&format!("http://{}/readyz", app.api.address())).await.unwrap();
    assert_eq!(readyz, (200, json!({"status": "ok"}).to_string()));
}
