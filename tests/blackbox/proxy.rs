//! Calls that other services answer: what they get of a call, and what the client gets of the answer (catalogue I, J).

use std::collections::BTreeSet;

use atproto_data::jws;
use serde_json::{Value, json};

use crate::harness::{AppView, Behaviour};
use crate::{Account, Answer, TestApp};

const TIMELINE: &str = "app.bsky.unspecced.getThings";

/// A server with this AppView and further settings.
pub(crate) async fn server(appview: &AppView, settings: &[(&str, &str)]) -> TestApp {
    let own = appview.settings();
    let mut all: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.extend_from_slice(settings);
    TestApp::start_with(&all).await
}

/// A query by an account with an `atproto-proxy` header.
async fn query_through(account: &Account, proxy: &str, nsid: &str) -> Answer {
    let request = account.api.get(nsid, &[]).bearer_auth(&account.access);
    Answer::to(request.header("atproto-proxy", proxy)).await.unwrap()
}

#[tokio::test]
async fn a_service_gets_a_token_of_the_account_and_no_credentials() {
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    let request = app
        .api
        .get(TIMELINE, &[("limit", "3"), ("tag", "a b"), ("tag", "ü")])
        .bearer_auth(&alice.access)
        .header("cookie", "session=secret")
        .header("dpop", "secret")
        .header("x-forwarded-for", "203.0.113.9")
        .header("te", "trailers")
        .header("accept-language", "de")
        .header("atproto-accept-labelers", "did:example:labeler;redact")
        .header("x-bsky-topics", "a")
        .header("x-atproto-new", "1");
    let answer = Answer::to(request).await.unwrap();
    let headers = answer.headers.clone();
    let got = answer.ok();
    assert_eq!(got["nsid"], TIMELINE);
    assert_eq!(got["query"], "limit=3&tag=a+b&tag=%C3%BC");
    let sent = got["headers"].as_object().unwrap();
    for name in ["cookie", "dpop", "x-forwarded-for", "te", "atproto-proxy"] {
        assert!(!sent.contains_key(name), "{name}");
    }
    assert!(!got.to_string().contains(&alice.access));
    for (name, value) in [
        ("accept-language", "de"),
        ("atproto-accept-labelers", "did:example:labeler;redact"),
        ("x-bsky-topics", "a"),
        ("x-atproto-new", "1"),
        ("accept-encoding", "identity"),
    ] {
        assert_eq!(sent[name], value, "{name}");
    }
    let token = sent["authorization"].as_str().unwrap().trim_start_matches("Bearer ");
    let token = jws::parse(token).unwrap();
    assert_eq!(token.verify(&app.plc.signing_key(&alice.did)), Ok(()));
    assert_eq!(token.header, json!({"typ": "JWT", "alg": "ES256K"}));
    let claims = &token.claims;
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&json!(alice.did.as_str()), &json!(appview.did()))
    );
    assert_eq!(claims["lxm"], TIMELINE);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);

    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(text("atproto-repo-rev"), Some("3jzzzzzzzzz2z"));
    assert_eq!(text("atproto-content-labelers"), Some("did:example:labeler"));
    assert_eq!((text("content-language"), text("retry-after")), (Some("en"), Some("7")));
    assert_eq!(text("access-control-allow-origin"), Some("*"));
    assert_eq!(text("cache-control"), Some("private"));
    for name in [
        "set-cookie",
        "location",
        "www-authenticate",
        "x-powered-by",
        "content-security-policy",
    ] {
        assert_eq!(text(name), None, "{name}");
    }
}

#[tokio::test]
async fn queries_of_a_moment_share_a_token_and_a_connection() {
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    for account in [&alice, &bob] {
        for nsid in [TIMELINE, "app.bsky.unspecced.getOthers"] {
            for _ in 0..5 {
                account.query(nsid, &[]).await.ok();
            }
        }
    }
    assert_eq!(tokens(&appview).len(), 4);
    assert_eq!(appview.connections(), 1);
}

#[tokio::test]
async fn what_changes_something_or_goes_elsewhere_has_a_token_of_its_own() {
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    for _ in 0..3 {
        alice.call("com.example.doThings", &json!({"a": 1})).await.ok();
        query_through(&alice, &appview.service("other"), TIMELINE).await.ok();
    }
    assert_eq!(tokens(&appview).len(), 6);
}

#[tokio::test]
async fn an_appview_that_takes_each_token_once_gets_fresh_ones() {
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    appview.takes_each_token_once();
    for _ in 0..4 {
        alice.query(TIMELINE, &[]).await.ok();
    }
    // Only the second call had to be repeated.
    assert_eq!((appview.calls().len(), tokens(&appview).len()), (5, 4));
}

/// The tokens that an AppView has got.
fn tokens(appview: &AppView) -> BTreeSet<String> {
    let calls = appview.calls();
    let token = |call: &Value| call["token"]["payload"]["jti"].to_string();
    calls.iter().map(token).collect()
}

#[tokio::test]
async fn bodies_go_through_as_they_are() {
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    let got = alice.call("com.example.doThings", &json!({"a": 1})).await.ok();
    assert_eq!((&got["method"], &got["body"]), (&json!("POST"), &json!("{\"a\":1}")));
    assert_eq!(got["headers"]["content-type"], "application/json");
    assert_eq!(got["headers"]["content-length"], "7");

    let nothing = app.api.post("com.example.doThings").bearer_auth(&alice.access);
    assert_eq!(Answer::to(nothing).await.unwrap().ok()["body_length"], 0);

    let large = vec![7; 20 << 20];
    let request = app.api.post("com.example.doThings").bearer_auth(&alice.access);
    let request = request.header("content-type", "video/mp4").body(large.clone());
    let got = Answer::to(request).await.unwrap().ok();
    assert_eq!(
        (&got["body_length"], &got["headers"]["content-type"]),
        (&json!(large.len()), &json!("video/mp4"))
    );

    let unannounced = futures_util::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>(vec![1; 10_000])));
    let request = app.api.post("com.example.doThings").bearer_auth(&alice.access);
    let request = request.body(reqwest::Body::wrap_stream(unannounced));
    assert_eq!(Answer::to(request).await.unwrap().ok()["body_length"], 1_000_000);
}

#[tokio::test]
async fn compressed_answers_go_through_as_they_are() {
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    let body = b"not gzip at all: nobody on the way looks".to_vec();
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("content-encoding", "gzip".to_owned()),
        ("content-length", body.len().to_string()),
    ];
    appview.behaves(TIMELINE, Behaviour::Say(200, headers, body.clone()));
    let request = app.api.get(TIMELINE, &[]).bearer_auth(&alice.access);
    let answer = Answer::to(request.header("accept-encoding", "gzip, br")).await.unwrap();
    assert_eq!(answer.headers["content-encoding"], "gzip");
    assert_eq!(answer.bytes(), body);
    assert_eq!(appview.calls()[0]["headers"]["accept-encoding"], "gzip, br");
}

#[tokio::test]
async fn errors_of_a_service_keep_their_names() {
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    let json = || ("content-type", "application/json".to_owned());
    let html = || ("content-type", "text/html".to_owned());
    let named = br#"{"error": "Named", "message": "no", "other": 1}"#.to_vec();
    for (status, headers, body, expected) in [
        (400, vec![json()], named.clone(), (400, "Named", "no")),
        (401, vec![json()], named.clone(), (401, "Named", "no")),
        (
            429,
            vec![json(), ("retry-after", "9".to_owned())],
            named.clone(),
            (429, "Named", "no"),
        ),
        (500, vec![json()], named.clone(), (502, "Named", "no")),
        (503, vec![json()], named.clone(), (503, "Named", "no")),
        (
            404,
            vec![html()],
            b"<p>".to_vec(),
            (404, "XRPCNotSupported", "XRPC Not Supported"),
        ),
        (
            500,
            vec![html()],
            b"<p>".to_vec(),
            (502, "UpstreamFailure", "Upstream Failure"),
        ),
        (
            502,
            vec![json()],
            b"{".to_vec(),
            (502, "UpstreamFailure", "Upstream Failure"),
        ),
        (
            400,
            vec![json()],
            br#"{"error": 1}"#.to_vec(),
            (400, "InvalidRequest", "Invalid Request"),
        ),
        (
            302,
            vec![("location", "http://127.0.0.1/".to_owned())],
            Vec::new(),
            (502, "UpstreamFailure", "Upstream service gave no answer"),
        ),
    ] {
        let mut headers = headers;
        headers.push(("set-cookie", "service=secret".to_owned()));
        appview.behaves(TIMELINE, Behaviour::Say(status, headers, body));
        let answer = alice.query(TIMELINE, &[]).await;
        assert_eq!(answer.headers.contains_key("retry-after"), status == 429);
        assert!(!answer.headers.contains_key("set-cookie") && !answer.headers.contains_key("location"));
        assert_eq!(answer.refused(expected.0, expected.1), expected.2);
    }
}

#[tokio::test]
async fn errors_of_a_service_keep_their_names_however_they_are_encoded() {
    const BROTLI: &str = "8b0f807b226572726f72223a224e616d6564222c226d657373616765223a226e6f227d03";
    const ZSTANDARD: &str = "28b52ffd20200101007b226572726f72223a224e616d6564222c226d657373616765223a226e6f227d";
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    for (encoding, body) in [("br", BROTLI), ("zstd", ZSTANDARD)] {
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("content-encoding", encoding.to_owned()),
        ];
        let digits = body.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let body = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        appview.behaves(TIMELINE, Behaviour::Say(400, headers, body));
        let request = app.api.get(TIMELINE, &[]).bearer_auth(&alice.access);
        let answer = Answer::to(request.header("accept-encoding", encoding)).await.unwrap();
        assert!(!answer.headers.contains_key("content-encoding"));
        assert_eq!(answer.refused(400, "Named"), "no", "{encoding}");
    }
}

#[tokio::test]
async fn methods_go_to_the_service_of_the_settings() {
    let (appview, moderation, reports) = (AppView::start().await, AppView::start().await, AppView::start().await);
    let (moderation_url, reports_url) = (moderation.url(), reports.url());
    let (moderation_did, reports_did) = (moderation.did(), reports.did());
    let app = server(
        &appview,
        &[
            ("PDS_MOD_SERVICE_URL", &moderation_url),
            ("PDS_MOD_SERVICE_DID", &moderation_did),
            ("PDS_REPORT_SERVICE_URL", &reports_url),
            ("PDS_REPORT_SERVICE_DID", &reports_did),
        ],
    )
    .await;
    let alice = app.account("alice").await;
    for (nsid, did) in [
        ("tools.ozone.moderation.getRepo", &moderation_did),
        ("app.bsky.unspecced.getConfig", &appview.did()),
        ("chat.bsky.convo.listConvos", &appview.did()),
        ("com.example.anything", &appview.did()),
    ] {
        let got = alice.query(nsid, &[]).await.ok();
        assert_eq!(got["token"]["payload"]["aud"], **did, "{nsid}");
        let named = query_through(&alice, &reports.service("other"), nsid).await.ok();
        assert_eq!(named["token"]["payload"]["aud"], *reports_did, "{nsid}");
    }
    // The AppView's own DID document may say what it likes: the settings say where it is.
    appview.describes_itself(&[("bsky_appview", "http://localhost:1")]);
    let got = query_through(&alice, &appview.service("bsky_appview"), TIMELINE).await;
    assert_eq!(got.ok()["nsid"], TIMELINE);
    let report = json!({
        "reasonType": "com.atproto.moderation.defs#reasonSpam",
        "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": alice.did.as_str()},
    });
    let got = alice.call("com.atproto.moderation.createReport", &report).await.ok();
    assert_eq!(got["token"]["payload"]["aud"], *reports_did);
    let body: Value = serde_json::from_str(got["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, report);
}

#[tokio::test]
async fn what_a_client_names_must_be_a_service_and_not_ourselves() {
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    let nobody = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
    let own = format!("{}#atproto_pds", alice.did);
    let long = format!("{}{}", appview.service("other"), "x".repeat(3_000));
    for (proxy, message) in [
        (appview.did().as_str(), "no service id specified in proxy header"),
        (
            &format!("{}#", appview.did()),
            "no service id specified in proxy header",
        ),
        ("#bsky_appview", "no did specified in proxy header"),
        (&appview.service("a#b"), "invalid proxy header format"),
        (&appview.service("a b"), "proxy header cannot contain spaces"),
        (&long, "invalid proxy header format"),
        (&appview.service("missing"), "could not resolve proxy did service url"),
        ("foo#bar", "could not resolve proxy did"),
        ("did:example:nobody#a", "could not resolve proxy did"),
        (&format!("{nobody}#a"), "could not resolve proxy did"),
        // This account's server is this server.
        (&own, "the service to proxy to is this server"),
        (
            "did:web:pds.test#bsky_appview",
            "the service to proxy to is this server",
        ),
    ] {
        let refused = query_through(&alice, proxy, TIMELINE)
            .await
            .refused(400, "InvalidRequest");
        assert_eq!(refused, message, "{proxy}");
    }
    // That it cannot be looked up now is not the caller's mistake.
    let refused = query_through(&alice, "did:web:localhost%3A1#a", TIMELINE).await;
    let message = "could not resolve proxy did at the moment";
    assert_eq!(refused.refused(502, "UpstreamFailure"), message);
    // Which of two is meant, nobody knows.
    let two = app.api.get(TIMELINE, &[]).bearer_auth(&alice.access);
    let two = two.header("atproto-proxy", appview.service("bsky_appview"));
    let two = two.header("atproto-proxy", appview.service("other"));
    let refused = Answer::to(two).await.unwrap().refused(400, "InvalidRequest");
    assert_eq!(refused, "invalid proxy header format");
    assert!(appview.calls().is_empty());
    // Back here by another name: the token is for calling services, not for being proxied once more.
    appview.describes_itself(&[("loop", &format!("http://{}", app.api.address()))]);
    let other = AppView::start().await;
    other.describes_itself(&[("loop", &format!("http://{}", app.api.address()))]);
    let looped = query_through(&alice, &other.service("loop"), TIMELINE).await;
    looped.refused(400, "InvalidToken");
}

#[tokio::test]
async fn what_a_client_names_is_reached_on_the_public_network_only() {
    let appview = AppView::start().await;
    let app = server(&appview, &[("PDS_DISABLE_SSRF_PROTECTION", "false")]).await;
    let alice = app.account("alice").await;
    // The operator's own service may be anywhere.
    alice.query(TIMELINE, &[]).await.ok();
    let refused = query_through(&alice, &appview.service("other"), TIMELINE).await;
    refused.refused(400, "InvalidRequest");
    for address in [
        "http://127.0.0.1",
        "https://127.0.0.1",
        "https://[::1]",
        "https://10.0.0.1",
        "https://169.254.169.254",
        "https://100.64.0.1",
        "https://[::ffff:127.0.0.1]",
        "https://[64:ff9b::7f00:1]",
        "https://0x7f000001",
        "https://localhost",
        "http://example.com",
        "https://a:b@example.com",
        "file:///etc/passwd",
        "https://example.com:22",
    ] {
        let did = app.plc.registers_service("evil", address);
        let refused = query_through(&alice, &format!("{did}#evil"), TIMELINE).await;
        assert!(matches!(refused.status, 400 | 502), "{address}: {}", refused.text());
    }
    assert_eq!(appview.calls().len(), 1);
}

#[tokio::test]
async fn methods_of_our_own_are_never_passed_on() {
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    let proxy = appview.service("bsky_appview");
    let session = query_through(&alice, &proxy, "com.atproto.server.getSession")
        .await
        .ok();
    assert_eq!(session["did"], alice.did.as_str());
    let resolved = app
        .api
        .get("com.atproto.identity.resolveHandle", &[("handle", "alice.test")]);
    let resolved = Answer::to(resolved.header("atproto-proxy", &proxy)).await.unwrap().ok();
    assert_eq!(resolved["did"], alice.did.as_str());
    for nsid in ["com.atproto.server.getsession", "COM.atproto.identity.signPlcOperation"] {
        let refused = query_through(&alice, &proxy, nsid).await;
        assert_eq!(refused.refused(400, "InvalidToken"), "Bad token method");
    }
    for nsid in ["nope", "a.b.c.", "a..b"] {
        assert_eq!(query_through(&alice, &proxy, nsid).await.status, 400, "{nsid}");
    }
    let nobody = app.api.query(TIMELINE, &[]).await;
    nobody.refused(401, "AuthMissing");
    assert!(appview.calls().is_empty());
}

#[tokio::test]
async fn app_passwords_read_direct_messages_only_if_they_are_privileged() {
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    for (name, privileged) in [("plain", false), ("privileged", true)] {
        let input = json!({"name": name, "privileged": privileged});
        let made = alice.call("com.atproto.server.createAppPassword", &input).await.ok();
        let login = json!({"identifier": alice.handle, "password": made["password"]});
        let session = app.api.procedure("com.atproto.server.createSession", &login).await.ok();
        let session = Account::new(&app.api, &session);
        session.query(TIMELINE, &[]).await.ok();
        let chat = session.query("chat.bsky.convo.getLog", &[]).await;
        if privileged {
            chat.ok();
        } else {
            assert_eq!(chat.refused(400, "InvalidToken"), "Bad token method");
        }
    }
}

#[tokio::test]
async fn without_an_appview_nothing_is_passed_on_and_the_operator_knows() {
    let warns = |app: &TestApp| {
        let log = app.process().log();
        log.iter().filter(|line| line.contains("PDS_BSKY_APP_VIEW_URL")).count()
    };
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    for nsid in [
        TIMELINE,
        "app.bsky.feed.getFeed",
        "app.bsky.actor.getProfile",
        "tools.ozone.team.listMembers",
    ] {
        let params = [
            (
                "feed",
                "at://did:plc:aaaaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.generator/a",
            ),
            ("actor", "alice.test"),
        ];
        let refused = alice.query(nsid, &params).await.refused(400, "InvalidRequest");
        assert_eq!(refused, format!("No service configured for {nsid}"));
    }
    assert_eq!(warns(&app), 1);
    let app = TestApp::start_with(&[
        ("PDS_BSKY_APP_VIEW_URL", ""),
        ("PDS_REPORT_SERVICE_URL", ""),
        ("PDS_CRAWLERS", ""),
    ])
    .await;
    app.api.query("com.atproto.server.describeServer", &[]).await.ok();
    assert_eq!(warns(&app), 0);
}

#[tokio::test]
async fn records_of_other_servers_come_from_the_appview() {
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    alice.create("com.example.note", "a", &json!({"text": "here"})).await;
    let record = |repo: &str| {
        [
            ("repo", repo.to_owned()),
            ("collection", "com.example.note".to_owned()),
            ("rkey", "a".to_owned()),
        ]
    };
    let get = async |repo: &str| {
        let params = record(repo);
        let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let request = app.api.get("com.atproto.repo.getRecord", &params);
        // Only the operator's AppView is asked for strangers.
        Answer::to(request.header("atproto-proxy", "did:web:evil.example#a"))
            .await
            .unwrap()
            .ok()
    };
    assert_eq!(get(alice.did.as_str()).await["value"]["text"], "here");
    let got = get("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa").await;
    assert_eq!(
        (&got["nsid"], &got["token"]),
        (&json!("com.atproto.repo.getRecord"), &Value::Null)
    );
    assert_eq!(
        got["query"],
        "repo=did%3Aplc%3Aaaaaaaaaaaaaaaaaaaaaaaaa&collection=com.example.note&rkey=a"
    );
}
