//! Preferences: what an account's apps keep here for each other.

use atproto_data::crypto::Curve;
use atproto_data::{SigningKey, jws};
use pds::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::harness::{AppView, SERVICE_DID};
use crate::proxy::server;
use crate::{Account, Answer, Plc, TestApp};

const GET: &str = "app.bsky.actor.getPreferences";
const PUT: &str = "app.bsky.actor.putPreferences";
const ADULT: &str = "app.bsky.actor.defs#adultContentPref";
const DETAILS: &str = "app.bsky.actor.defs#personalDetailsPref";
const AGE: &str = "app.bsky.actor.defs#declaredAgePref";

async fn put(account: &Account, preferences: &Value) -> Answer {
    account.call(PUT, &json!({"preferences": preferences})).await
}

/// The preferences, in order.
async fn get(account: &Account) -> Value {
    account.query(GET, &[]).await.ok()["preferences"].clone()
}

async fn app_password_session(app: &TestApp, owner: &Account) -> Account {
    let input = json!({"name": "app", "privileged": true});
    let made = owner.call("com.atproto.server.createAppPassword", &input).await.ok();
    let login = json!({"identifier": owner.handle, "password": made["password"]});
    let session = app.api.procedure("com.atproto.server.createSession", &login).await.ok();
    Account::new(&app.api, &session)
}

#[tokio::test]
async fn they_are_replaced_as_a_whole_and_outlive_a_restart() {
    let mut app = TestApp::start().await;
    let alice = app.account("alice").await;
    let bob = app.account("bob").await;
    assert_eq!(get(&alice).await, json!([]));
    let adult = json!({"$type": ADULT, "enabled": true});
    let details = json!({"$type": DETAILS, "birthDate": "1990-05-17T00:00:00.000Z"});
    let age = json!({"$type": AGE, "isOverAge13": true, "isOverAge16": true, "isOverAge18": true});
    let answer = put(&alice, &json!([adult, details])).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    app.restart().await;
    assert_eq!(get(&alice).await, json!([adult, details, age]));
    assert_eq!(get(&bob).await, json!([]));
    // What apps read and write back does not pile up, and ages are nobody's to set.
    let lie = json!({"$type": AGE, "isOverAge13": true, "isOverAge16": true, "isOverAge18": true});
    let child = json!({"$type": DETAILS, "birthDate": "2025-05-17T00:00:00.000Z"});
    put(&alice, &json!([child, lie])).await.ok();
    let age = json!({"$type": AGE, "isOverAge13": false, "isOverAge16": false, "isOverAge18": false});
    assert_eq!(get(&alice).await, json!([child, age]));
    put(&alice, &json!([])).await.ok();
    assert_eq!(get(&alice).await, json!([]));
}

#[tokio::test]
async fn what_is_not_a_preference_is_refused() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let kept = json!([{"$type": ADULT, "enabled": true}]);
    put(&alice, &kept).await.ok();
    let large = json!([{"$type": ADULT, "text": "x".repeat(140_000)}]);
    put(&alice, &large).await.ok();
    // Types of which we know nothing are kept as they are.
    let new = json!([{"$type": "app.bsky.actor.defs#newPref", "anything": [1]}]);
    put(&alice, &new).await.ok();
    assert_eq!(get(&alice).await, new);
    put(&alice, &kept).await.ok();
    let no_type =
        "Expected an object which includes the \"$type\" property value type (got {\"a\": ...}) at $.preferences[0]";
    let namespace = "Some preferences are not in the app.bsky namespace";
    for (input, status, message) in [
        (json!({}), 400, "Missing required key \"preferences\" at $"),
        (json!({"preferences": [{"a": 1}]}), 400, no_type),
        (
            json!({"preferences": {}}),
            400,
            "Expected array value type (got {}) at $.preferences",
        ),
        (
            json!({"preferences": [{"$type": ADULT, "enabled": "x"}]}),
            400,
            "Expected boolean value type (got \"x\") at $.preferences[0].enabled",
        ),
        (
            json!({"preferences": [{"$type": DETAILS, "birthDate": "2000-01-01"}]}),
            400,
            "Invalid datetime (got \"2000-01-01\") at $.preferences[0].birthDate",
        ),
        (
            json!({"preferences": [{"$type": ADULT}, {"$type": "app.bsky.actor.defs#savedFeedsPrefV2", "items": [{"id": "a", "type": "feed", "value": "v"}]}]}),
            400,
            "Missing required key \"pinned\" at $.preferences[1].items[0]",
        ),
        (json!({"preferences": [{"$type": "com.example.pref"}]}), 400, namespace),
        (json!({"preferences": [{"$type": "app.bskyish.pref"}]}), 400, namespace),
        (
            json!({"preferences": [{"$type": ADULT}, {"$type": "com.example.pref"}]}),
            400,
            namespace,
        ),
        (
            json!({"preferences": [{"$type": ADULT, "a": "x".repeat(4_000_000)}]}),
            413,
            "request entity too large",
        ),
    ] {
        let answer = alice.call(PUT, &input).await;
        let error = if status == 413 {
            "PayloadTooLargeError"
        } else {
            "InvalidRequest"
        };
        assert_eq!(answer.refused(status, error), message);
    }
    app.api.query(GET, &[]).await.refused(401, "AuthMissing");
    app.api
        .procedure(PUT, &json!({"preferences": []}))
        .await
        .refused(401, "AuthMissing");
    assert_eq!(get(&alice).await, kept);
}

#[tokio::test]
async fn personal_details_are_for_those_who_know_the_password() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let phone = app_password_session(&app, &alice).await;
    let details = json!({"$type": DETAILS, "birthDate": "1990-05-17T00:00:00.000Z"});
    let adult = |enabled: bool| json!({"$type": ADULT, "enabled": enabled});
    let age = json!({"$type": AGE, "isOverAge13": true, "isOverAge16": true, "isOverAge18": true});
    put(&alice, &json!([adult(true), details])).await.ok();
    assert_eq!(get(&phone).await, json!([adult(true), age]));
    put(&phone, &json!([adult(false), age])).await.ok();
    let message = put(&phone, &json!([adult(true), details]))
        .await
        .refused(400, "InvalidRequest");
    assert_eq!(
        message,
        format!("Do not have authorization to set preferences: {DETAILS}")
    );
    // The details stay where they were.
    assert_eq!(get(&alice).await, json!([details, adult(false), age]));
}

#[tokio::test]
async fn another_appview_keeps_its_own() {
    let (appview, other) = (AppView::start().await, AppView::start().await);
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    let kept = json!([{"$type": ADULT, "enabled": true}]);
    let with = async |request: reqwest::RequestBuilder, proxy: String| {
        Answer::to(request.bearer_auth(&alice.access).header("atproto-proxy", proxy))
            .await
            .unwrap()
    };
    let own = appview.service("bsky_appview");
    with(app.api.post(PUT).json(&json!({"preferences": kept})), own.clone())
        .await
        .ok();
    assert_eq!(with(app.api.get(GET, &[]), own).await.ok()["preferences"], kept);
    let got = with(app.api.get(GET, &[]), other.service("other")).await.ok();
    assert_eq!(got["token"]["payload"]["aud"], other.did());
    let theirs = json!({"preferences": [{"$type": "com.example.pref"}]});
    let got = with(app.api.post(PUT).json(&theirs), other.service("other")).await.ok();
    assert_eq!(
        (&got["nsid"], &got["token"]["payload"]["lxm"]),
        (&json!(PUT), &json!(PUT))
    );
    assert_eq!(
        serde_json::from_str::<Value>(got["body"].as_str().unwrap()).unwrap(),
        theirs
    );
    assert!(appview.calls().is_empty());
    assert_eq!(get(&alice).await, kept);
}

#[tokio::test]
async fn the_moderation_service_may_look() {
    let plc = Plc::start().await;
    let moderator = plc.registers_service("atproto_labeler", "https://mod.example.com");
    let settings = [
        ("PDS_MOD_SERVICE_URL", "https://mod.example.com"),
        ("PDS_MOD_SERVICE_DID", moderator.as_str()),
    ];
    let app = TestApp::start_beside(plc, &settings).await;
    let alice = app.account("alice").await;
    let details = json!({"$type": DETAILS, "birthDate": "1990-05-17T00:00:00.000Z"});
    put(&alice, &json!([details])).await.ok();
    let age = json!({"$type": AGE, "isOverAge13": true, "isOverAge16": true, "isOverAge18": true});
    let details = json!([details, age]);
    let ask = async |jti: &str, params: &[(&str, &str)]| {
        let now = SystemClock.now_micros() / 1_000_000;
        let claims =
            json!({"iss": moderator.as_str(), "aud": SERVICE_DID, "lxm": GET, "iat": now, "exp": now + 60, "jti": jti});
        let key = SigningKey::from_bytes(Curve::K256, &[9; 32]).unwrap();
        let token = jws::sign(&key, &json!({"typ": "JWT"}), &claims);
        Answer::to(app.api.get(GET, params).bearer_auth(token)).await.unwrap()
    };
    assert_eq!(
        ask("a", &[("did", alice.did.as_str())]).await.ok()["preferences"],
        details
    );
    ask("b", &[]).await.refused(400, "InvalidRequest");
    ask("c", &[("did", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")])
        .await
        .refused(400, "InvalidRequest");
}
