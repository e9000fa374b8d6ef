//! Methods that are passed on in a way of their own: custom feeds, push notifications, reports.

use serde_json::{Value, json};

use crate::harness::{AppView, Behaviour};
use crate::proxy::server;
use crate::{Answer, TestApp};

const FEED: &str = "app.bsky.feed.getFeed";
const GET_RECORD: &str = "com.atproto.repo.getRecord";
const REPORT: &str = "com.atproto.moderation.createReport";

fn json_answer(status: u16, body: &Value) -> Behaviour {
    let headers = vec![("content-type", "application/json".to_owned())];
    Behaviour::Say(status, headers, body.to_string().into_bytes())
}

#[tokio::test]
async fn a_feeds_generator_gets_the_token() {
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    let feed = [
        (
            "feed",
            "at://did:plc:aaaaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.generator/cats",
        ),
        ("limit", "5"),
    ];
    appview.behaves(
        GET_RECORD,
        json_answer(200, &json!({"value": {"did": "did:web:feeds.example.com"}})),
    );
    let got = alice.query(FEED, &feed).await.ok();
    let payload = &got["token"]["payload"];
    assert_eq!(payload["aud"], "did:web:feeds.example.com");
    assert_eq!(payload["lxm"], "app.bsky.feed.getFeedSkeleton");
    assert_eq!(payload["iss"], alice.did.as_str());
    assert!(got["query"].as_str().unwrap().ends_with("&limit=5"));
    let asked = &appview.calls()[0];
    assert_eq!((&asked["nsid"], &asked["token"]), (&json!(GET_RECORD), &Value::Null));
    let query = "repo=did%3Aplc%3Aaaaaaaaaaaaaaaaaaaaaaaaa&collection=app.bsky.feed.generator&rkey=cats";
    assert_eq!(asked["query"], query);

    for record in [
        json!({"value": {}}),
        json!({"value": {"did": 1}}),
        json!({"value": {"did": "x"}}),
        json!([]),
    ] {
        appview.behaves(GET_RECORD, json_answer(200, &record));
        let refused = alice.query(FEED, &feed).await.refused(400, "UnknownFeed");
        assert_eq!(refused, "could not resolve feed did");
    }
    let huge = json!({"value": {"did": "did:web:feeds.example.com", "description": "x".repeat(4 << 20)}});
    appview.behaves(GET_RECORD, json_answer(200, &huge));
    alice.query(FEED, &feed).await.refused(502, "UpstreamFailure");
    appview.behaves(
        GET_RECORD,
        json_answer(400, &json!({"error": "RecordNotFound", "message": "no"})),
    );
    alice.query(FEED, &feed).await.refused(400, "RecordNotFound");
    alice
        .query(FEED, &[("feed", "at://did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")])
        .await
        .refused(400, "UnknownFeed");
    for wrong in [&[][..], &[("feed", "cats")]] {
        alice.query(FEED, wrong).await.refused(400, "InvalidRequest");
    }
}

#[tokio::test]
async fn push_registrations_go_to_the_service_that_they_name() {
    let (appview, push) = (AppView::start().await, AppView::start().await);
    push.describes_itself(&[("bsky_notif", &push.url())]);
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    let input =
        |did: &str| json!({"serviceDid": did, "token": "t", "platform": "ios", "appId": "x", "ageRestricted": true});
    let other = app.plc.registers_service("other", &push.url());
    for method in [
        "app.bsky.notification.registerPush",
        "app.bsky.notification.unregisterPush",
    ] {
        for service in [&appview, &push] {
            let answer = alice.call(method, &input(&service.did())).await;
            assert_eq!((answer.status, answer.body.len()), (200, 0));
            let calls = service.calls();
            let call = calls.last().unwrap();
            assert_eq!(call["nsid"], method);
            assert_eq!(call["token"]["payload"]["aud"], service.did());
            assert_eq!(call["token"]["payload"]["lxm"], method);
            let body: Value = serde_json::from_str(call["body"].as_str().unwrap()).unwrap();
            assert_eq!(body, input(&service.did()));
        }
        push.behaves(method, json_answer(400, &json!({"error": "NotToday", "message": "no"})));
        alice.call(method, &input(&push.did())).await.refused(400, "NotToday");
        let unknown = alice.call(method, &input("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")).await;
        let message = "could not resolve did document: did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
        assert_eq!(unknown.refused(400, "InvalidRequest"), message);
        let message = format!("invalid notification service details in did document: {other}");
        let refused = alice.call(method, &input(other.as_str())).await;
        assert_eq!(refused.refused(400, "InvalidRequest"), message);
        let refused = alice.call(method, &input("did:web:pds.test")).await;
        refused.refused(400, "InvalidRequest");
        let refused = alice.call(method, &input("did:web:localhost%3A1")).await;
        refused.refused(502, "UpstreamFailure");
        for wrong in [
            json!({}),
            json!({"serviceDid": "x", "token": "t", "platform": "ios", "appId": "x"}),
            json!({"serviceDid": push.did(), "token": "t", "platform": "ios", "appId": "x", "ageRestricted": "yes"}),
        ] {
            alice.call(method, &wrong).await.refused(400, "InvalidRequest");
        }
        app.api
            .procedure(method, &input(&push.did()))
            .await
            .refused(401, "AuthMissing");
    }
}

#[tokio::test]
async fn reports_go_to_whom_the_client_names_and_need_a_receiver() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let report = json!({
        "reasonType": "com.atproto.moderation.defs#reasonSpam",
        "reason": "spam",
        "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"},
    });
    let nowhere = alice.call(REPORT, &report).await.refused(400, "InvalidRequest");
    assert_eq!(nowhere, format!("No service configured for {REPORT}"));
    let labeler = AppView::start().await;
    labeler.describes_itself(&[("atproto_labeler", &labeler.url())]);
    let request = app.api.post(REPORT).bearer_auth(&alice.access).json(&report);
    let got = Answer::to(request.header("atproto-proxy", labeler.service("atproto_labeler")))
        .await
        .unwrap()
        .ok();
    assert_eq!(got["token"]["payload"]["aud"], labeler.did());
    assert_eq!(
        serde_json::from_str::<Value>(got["body"].as_str().unwrap()).unwrap(),
        report
    );
    for wrong in [
        json!({}),
        json!({"reasonType": "x"}),
        json!({"reasonType": "x", "subject": {"did": "x"}}),
    ] {
        alice.call(REPORT, &wrong).await.refused(400, "InvalidRequest");
    }
    for (field, wrong, message) in [
        (
            "reason",
            json!("x".repeat(20_001)),
            "string too big (maximum 20000, got 20001) at $.reason",
        ),
        (
            "reason",
            json!("x".repeat(2_001)),
            "grapheme too big (maximum 2000, got 2001) at $.reason",
        ),
        ("modTool", json!({}), "Missing required key \"name\" at $.modTool"),
        (
            "subject",
            json!({"$type": "com.atproto.admin.defs#repoRef", "did": "x"}),
            "Invalid DID (got \"x\") at $.subject.did",
        ),
        (
            "subject",
            json!({"$type": "com.atproto.repo.strongRef", "uri": report["subject"]["did"]}),
            "Invalid at-uri (got \"did:plc:aaaaaaaaaaaaaaaaaaaaaaaa\") at $.subject.uri",
        ),
    ] {
        let mut report = report.clone();
        report[field] = wrong;
        assert_eq!(
            alice.call(REPORT, &report).await.refused(400, "InvalidRequest"),
            message
        );
    }
    app.api.procedure(REPORT, &report).await.refused(401, "AuthMissing");
}

#[tokio::test]
async fn parameters_are_checked_before_the_appview_is_asked() {
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    let did = alice.did.as_str();
    let post = format!("at://{did}/app.bsky.feed.post/a");
    for (name, params, refusal) in [
        ("actor.getProfile", &[][..], "Missing required key \"actor\""),
        ("actor.getProfile", &[("actor", "")], "Missing required key \"actor\""),
        (
            "actor.getProfile",
            &[("actor", "no name")],
            "Invalid AT identifier (got \"no name\")",
        ),
        ("actor.getProfiles", &[], "Missing required key \"actors\""),
        (
            "actor.getProfiles",
            &[("actors", did); 26],
            "array too big (maximum 25, got 26)",
        ),
        (
            "feed.getTimeline",
            &[("limit", "101")],
            "integer too big (maximum 100, got 101)",
        ),
        (
            "feed.getAuthorFeed",
            &[("actor", did), ("limit", "0")],
            "integer too small (minimum 1, got 0)",
        ),
        (
            "feed.getAuthorFeed",
            &[("limit", "1")],
            "Missing required key \"actor\"",
        ),
        (
            "feed.getActorLikes",
            &[("actor", did), ("limit", "x")],
            "Expected integer value type (got \"x\")",
        ),
        ("feed.getPostThread", &[], "Missing required key \"uri\""),
        ("feed.getPostThread", &[("uri", "x")], "Invalid at-uri (got \"x\")"),
        (
            "feed.getPostThread",
            &[("uri", &post), ("depth", "1001")],
            "integer too big (maximum 1000, got 1001)",
        ),
    ] {
        let nsid = format!("app.bsky.{name}");
        let message = alice.query(&nsid, params).await.refused(400, "InvalidRequest");
        assert_eq!(message, format!("Invalid {nsid} params: {refusal}"));
    }
    assert!(appview.calls().is_empty());
}
