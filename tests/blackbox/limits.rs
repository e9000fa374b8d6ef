//! Rate limits: how often strangers and accounts may ask (catalogue K2, K5, A16).

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::json;

use crate::harness::{ADMIN_PASSWORD, password};
use crate::{Account, Answer, TestApp, create_write};

const CREATE_SESSION: &str = "com.atproto.server.createSession";
const CREATE_ACCOUNT: &str = "com.atproto.server.createAccount";
const DESCRIBE: &str = "com.atproto.server.describeServer";
const BYPASS: &str = "bypass-key-of-the-tests";

async fn start() -> TestApp {
    TestApp::start_with(&[
        ("PDS_RATE_LIMITS_ENABLED", "true"),
        ("PDS_RATE_LIMIT_BYPASS_KEY", BYPASS),
    ])
    .await
}

/// The server is reached from loopback, where reverse proxies are: they say who the client is.
fn from(request: RequestBuilder, address: &str) -> RequestBuilder {
    request.header("x-forwarded-for", address)
}

async fn statuses(requests: impl Iterator<Item = RequestBuilder>) -> Vec<u16> {
    let mut statuses = Vec::new();
    for request in requests {
        statuses.push(Answer::to(request).await.unwrap().status);
    }
    statuses
}

#[tokio::test]
async fn writes_are_limited_by_account_and_every_answer_tells() {
    let app = start().await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    for round in 0..8 {
        let writes: Vec<_> = (0..200)
            .map(|n| create_write("com.example.note", &format!("r{round}-{n}"), &json!({"text": "x"})))
            .collect();
        let answer = alice.apply(&writes).await;
        // The tightest limit: of 3,000 calls, then of 5,000 points.
        let tightest = if round < 3 { "3000;w=300" } else { "5000;w=3600" };
        assert_eq!(answer.headers["ratelimit-policy"], tightest);
        answer.ok();
    }
    // 4,800 of 5,000 points are used; a create costs 3, an update 2, a delete 1.
    for n in 0..66 {
        alice
            .create("com.example.note", &format!("s{n}"), &json!({"text": "x"}))
            .await;
    }
    alice.put("com.example.note", "s0", &json!({"text": "y"})).await;
    let input = json!({"repo": alice.did, "collection": "com.example.note", "rkey": "s0"});
    let refused = alice.call("com.atproto.repo.deleteRecord", &input).await;
    let header = |name: &str| refused.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("ratelimit-policy"), "5000;w=3600");
    assert_eq!(
        (header("ratelimit-limit"), header("ratelimit-remaining")),
        ("5000".into(), "0".into())
    );
    assert!((1..=3_600).contains(&header("retry-after").parse::<u32>().unwrap()));
    refused.refused(429, "RateLimitExceeded");
    alice.session().await.ok();
    bob.create("com.example.note", "a", &json!({"text": "x"})).await;
}

#[tokio::test]
async fn who_guesses_passwords_is_stopped_and_the_owner_gets_in() {
    let app = start().await;
    app.account("alice").await;
    // A login without a password is counted and answered at once.
    let guess = |address| from(app.api.post(CREATE_SESSION), address).json(&json!({"identifier": "alice.test"}));
    let guesses = statuses((0..31).map(|_| guess("203.0.113.7"))).await;
    assert_eq!(guesses[..30], [400; 30]);
    assert_eq!(guesses[30], 429);
    let login = json!({"identifier": "alice.test", "password": password("alice")});
    let log_in = |address| from(app.api.post(CREATE_SESSION), address).json(&login);
    Answer::to(log_in("203.0.113.7"))
        .await
        .unwrap()
        .refused(429, "RateLimitExceeded");
    Answer::to(log_in("203.0.113.8")).await.unwrap().ok();
    let bypassed = log_in("203.0.113.7").header("x-ratelimit-bypass", BYPASS);
    Answer::to(bypassed).await.unwrap().ok();
}

#[tokio::test]
async fn who_tries_a_password_at_many_accounts_is_stopped() {
    let app = start().await;
    app.account("alice").await;
    let login = json!({"identifier": "alice.test", "password": password("alice")});
    let log_in = |address| from(app.api.post(CREATE_SESSION), address).json(&login);
    // What goes well does not count.
    assert_eq!(statuses((0..3).map(|_| log_in("203.0.113.7"))).await, [200; 3]);
    let guess = |n, address| {
        let wrong = json!({"identifier": format!("nobody{n}.test")});
        from(app.api.post(CREATE_SESSION), address).json(&wrong)
    };
    let guesses = statuses((0..101).map(|n| guess(n, "203.0.113.7"))).await;
    assert_eq!((&guesses[..100], guesses[100]), (&[400; 100][..], 429));
    let stopped = Answer::to(log_in("203.0.113.7")).await.unwrap();
    assert_eq!(stopped.headers["ratelimit-policy"], "100;w=300");
    stopped.refused(429, "RateLimitExceeded");
    Answer::to(log_in("203.0.113.8")).await.unwrap().ok();
    let hidden = statuses((0..101).map(|n| guess(n, "10.0.0.1"))).await;
    assert_eq!(hidden, [400; 101]);
}

#[tokio::test]
async fn strangers_are_limited_by_address_where_it_is_known() {
    let app = start().await;
    let try_code = |address| from(app.api.post(CREATE_ACCOUNT), address).json(&json!({"handle": "x.test"}));
    let tries = statuses((0..101).map(|_| try_code("203.0.113.7"))).await;
    assert_eq!(tries[..100], [400; 100]);
    assert_eq!(tries[100], 429);
    assert_eq!(statuses(std::iter::once(try_code("203.0.113.8"))).await, [400]);

    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let readyz = async || {
        let answer = http
            .get(format!("http://{}/readyz", app.api.address()))
            .send()
            .await
            .unwrap();
        answer.json::<serde_json::Value>().await.unwrap()
    };
    assert_eq!(readyz().await, json!({"status": "ok"}));
    // A load balancer that hides its clients must not make them all one.
    let hidden = statuses((0..101).map(|_| try_code("10.0.0.1"))).await;
    assert_eq!(hidden, [400; 101]);
    let said = json!({"status": "ok", "notes": ["client_addresses_hidden"]});
    assert_eq!(readyz().await, said);
}

#[tokio::test]
async fn the_administrator_is_never_shut_out() {
    let app = start().await;
    let ask = |password: &str| {
        let request = app
            .api
            .post("com.atproto.server.createInviteCode")
            .json(&json!({"useCount": 1}));
        request.basic_auth("admin", Some(password))
    };
    assert_eq!(statuses((0..5).map(|_| ask("wrong"))).await, [401; 5]);
    let right = Answer::to(ask(ADMIN_PASSWORD)).await.unwrap();
    assert!(!right.headers.contains_key("ratelimit-limit"));
    right.ok();
}

#[tokio::test]
async fn who_guesses_the_administrators_password_waits() {
    let app = start().await;
    let ask = |password: &str, address: &str| {
        let request = app.api.post("com.atproto.server.createInviteCode");
        from(request.json(&json!({"useCount": 1})), address).basic_auth("admin", Some(password))
    };
    let guesses = (0..5).map(|_| ask("wrong", "203.0.113.7"));
    assert_eq!(statuses(guesses).await, [401; 5]);
    // The sixth is not answered before a second has passed.
    let sixth = ask("wrong", "203.0.113.7").timeout(Duration::from_millis(500));
    assert!(Answer::to(sixth).await.unwrap_err().is_timeout());
    for address in ["203.0.113.8", "203.0.113.7"] {
        Answer::to(ask(ADMIN_PASSWORD, address)).await.unwrap().ok();
    }
    let log = app.process().log();
    let told = log
        .iter()
        .filter(|line| line.contains("wrong administrator's password"));
    assert!(told.clone().all(|line| line.contains("203.0.113.7")));
    assert!(told.count() >= 5, "{log:#?}");
}

#[tokio::test]
async fn limits_are_on_unless_they_are_switched_off() {
    let app = TestApp::start_with(&[("PDS_RATE_LIMITS_ENABLED", "")]).await;
    let answer = app.api.query(DESCRIBE, &[]).await;
    assert_eq!(answer.headers["ratelimit-policy"], "3000;w=300");
    answer.ok();
}

/// The request after as many as a method's limit allows must be refused, and say by which limit.
async fn assert_limited(nsid: &str, number: usize, policy: &str, request: impl Fn() -> RequestBuilder) {
    let within = statuses((0..number).map(|_| request())).await;
    assert!(!within.contains(&429), "{nsid}: {within:?}");
    let refused = Answer::to(request()).await.unwrap();
    let header = |name: &str| refused.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("ratelimit-policy"), policy, "{nsid}");
    assert_eq!(header("ratelimit-remaining"), "0", "{nsid}");
    assert!(header("retry-after").parse::<u32>().unwrap() >= 1, "{nsid}");
    refused.refused(429, "RateLimitExceeded");
}

#[tokio::test]
async fn each_method_has_its_own_limit() {
    let app = start().await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    let mine = |nsid: &str, owner: &Account| app.api.post(nsid).bearer_auth(&owner.access);
    for nsid in [
        "com.atproto.server.requestEmailConfirmation",
        "com.atproto.server.requestEmailUpdate",
        "com.atproto.server.requestAccountDelete",
        "com.atproto.identity.requestPlcOperationSignature",
    ] {
        assert_limited(nsid, 5, "5;w=3600", || mine(nsid, &alice)).await;
        let other = Answer::to(mine(nsid, &bob)).await.unwrap();
        assert_ne!(other.status, 429, "{nsid}");
    }
    for (nsid, number, policy) in [
        ("com.atproto.identity.updateHandle", 10, "10;w=300"),
        ("com.atproto.identity.refreshIdentity", 30, "30;w=300"),
    ] {
        assert_limited(nsid, number, policy, || mine(nsid, &alice).json(&json!({}))).await;
    }

    let stranger = |nsid: &str| from(app.api.post(nsid), "203.0.113.7");
    for (nsid, input) in [
        ("com.atproto.server.reserveSigningKey", json!({"did": "x"})),
        ("com.atproto.server.deleteAccount", json!({})),
    ] {
        assert_limited(nsid, 50, "50;w=300", || stranger(nsid).json(&input)).await;
    }
    let nsid = "com.atproto.temp.checkHandleAvailability";
    let check = || from(app.api.get(nsid, &[("handle", "x")]), "203.0.113.7");
    assert_limited(nsid, 300, "300;w=300", check).await;

    // These take long to use up: their answers tell what they are.
    let upload = mine("com.atproto.repo.uploadBlob", &alice).header("content-type", "text/plain");
    let upload = Answer::to(upload.body("a blob")).await.unwrap();
    assert_eq!(upload.headers["ratelimit-policy"], "1000;w=86400");
    for (nsid, name) in [("resolveDid", "did"), ("resolveIdentity", "identifier")] {
        let resolved = alice
            .query(&format!("com.atproto.identity.{nsid}"), &[(name, "x")])
            .await;
        assert_eq!(resolved.headers["ratelimit-policy"], "500;w=300", "{nsid}");
    }
    let repo = app
        .api
        .query("com.atproto.sync.getRepo", &[("did", alice.did.as_str())])
        .await;
    assert_eq!(repo.headers["ratelimit-policy"], "6000;w=300");
}

#[tokio::test]
async fn limits_can_be_switched_off() {
    let app = TestApp::start().await;
    let answer = app.api.query(DESCRIBE, &[]).await;
    assert!(!answer.headers.contains_key("ratelimit-limit"));
    answer.ok();
}

#[tokio::test]
async fn letter_boxes_are_not_flooded_and_codes_not_guessed() {
    let app = start().await;
    let ask = |host: u8, email: &str| {
        let request = app.api.post("com.atproto.server.requestPasswordReset");
        from(request, &format!("203.0.113.{host}")).json(&json!({"email": email}))
    };
    let asked = statuses((0..16).map(|_| ask(1, "alice@mail.example.com"))).await;
    assert_eq!((&asked[..15], asked[15]), (&[200; 15][..], 429));
    let elsewhere = statuses(std::iter::once(ask(2, "alice@mail.example.com"))).await;
    assert_eq!(elsewhere, [200], "the owner, at another address");

    let guess = || {
        let page = app.api.page(reqwest::Method::POST, "/account/reset-password");
        let page = page.header("host", "pds.test").body("code=AAAAA-AAAAA&password=x");
        from(page, "203.0.113.7").header("content-type", "application/x-www-form-urlencoded")
    };
    let guesses = statuses((0..51).map(|_| guess())).await;
    assert_eq!(guesses[..50], [400; 50]);
    assert_eq!(guesses[50], 429);
    // The method counts the same guesses.
    let method = from(app.api.post("com.atproto.server.resetPassword"), "203.0.113.7");
    let method = method.json(&json!({"token": "AAAAA-AAAAA", "password": "x"}));
    assert_eq!(statuses(std::iter::once(method)).await, [429]);
}
