//! What the moderation service does with tokens that it signs itself, and what it may not (catalogue I1, AD).

use atproto_data::crypto::Curve;
use atproto_data::{Did, SigningKey, jws};
use atproto_plc::{State, UnsignedOperation};
use pds::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::harness::SERVICE_DID;
use crate::{Account, Answer, Plc, TestApp};

const UPDATE: &str = "com.atproto.admin.updateSubjectStatus";
const INFO: &str = "com.atproto.admin.getAccountInfo";
const URL: &str = "https://mod.example.com";

/// A moderation service with a key of its own for its labeler.
struct Moderator {
    did: Did,
    key: SigningKey,
    labeler_key: SigningKey,
}

impl Moderator {
    /// A service that the directory knows, and a server that trusts it.
    async fn start() -> (Moderator, TestApp) {
        let plc = Plc::start().await;
        let key = SigningKey::from_bytes(Curve::K256, &[21; 32]).unwrap();
        let labeler_key = SigningKey::from_bytes(Curve::K256, &[22; 32]).unwrap();
        let public = key.public_key().to_did_key();
        let handle = "mod.example.com".parse().unwrap();
        let mut state = State::for_account(&public, &handle, URL, vec![public.clone()]);
        let of_labels = labeler_key.public_key().to_did_key();
        state.verification_methods.insert("atproto_label".to_owned(), of_labels);
        let operation = UnsignedOperation::genesis(state).sign(&key);
        let did = operation.did_of_genesis();
        plc.register(&did, &operation.to_json());
        let settings = [("PDS_MOD_SERVICE_URL", URL), ("PDS_MOD_SERVICE_DID", did.as_str())];
        let app = TestApp::start_beside(plc, &settings).await;
        (
            Moderator {
                did: did.clone(),
                key,
                labeler_key,
            },
            app,
        )
    }

    /// The DID that it signs as when it speaks as its labeler.
    fn labeler(&self) -> String {
        format!("{}#atproto_labeler", self.did)
    }

    /// A good token of the labeler.
    fn token(&self, lxm: &str, jti: &str) -> String {
        sign(&self.labeler_key, &claims(&self.labeler(), lxm, jti))
    }
}

fn claims(iss: &str, lxm: &str, jti: &str) -> Value {
    let now = SystemClock.now_micros() / 1_000_000;
    json!({"iss": iss, "aud": SERVICE_DID, "lxm": lxm, "iat": now, "exp": now + 60, "jti": jti})
}

fn sign(key: &SigningKey, claims: &Value) -> String {
    jws::sign(key, &json!({"typ": "JWT"}), claims)
}

fn takedown(account: &Account, applied: bool) -> Value {
    json!({
        "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": account.did},
        "takedown": {"applied": applied},
    })
}

async fn update(app: &TestApp, token: &str, input: &Value) -> Answer {
    let request = app.api.post(UPDATE).bearer_auth(token).json(input);
    Answer::to(request).await.unwrap()
}

async fn info(app: &TestApp, token: &str, account: &Account) -> Answer {
    let request = app.api.get(INFO, &[("did", account.did.as_str())]);
    Answer::to(request.bearer_auth(token)).await.unwrap()
}

/// Whether the network may see an account.
async fn is_active(app: &TestApp, account: &Account) -> bool {
    let did = [("did", account.did.as_str())];
    let status = app.api.query("com.atproto.sync.getRepoStatus", &did).await.ok();
    status["active"].as_bool().unwrap()
}

#[tokio::test]
async fn the_moderation_service_decides_once_with_each_token() {
    let (moderator, app) = Moderator::start().await;
    let alice = app.account("alice").await;
    let first = moderator.token(UPDATE, "first");
    update(&app, &first, &takedown(&alice, true)).await.ok();
    assert!(!is_active(&app, &alice).await);
    update(&app, &first, &takedown(&alice, false))
        .await
        .refused(401, "BadJwt");
    assert!(!is_active(&app, &alice).await);

    let known = info(&app, &moderator.token(INFO, "second"), &alice).await.ok();
    assert_eq!(
        (&known["handle"], &known["email"]),
        (&json!("alice.test"), &json!("alice@mail.example.com"))
    );
    let as_itself = sign(&moderator.key, &claims(moderator.did.as_str(), INFO, "third"));
    info(&app, &as_itself, &alice).await.ok();
    info(&app, &as_itself, &alice).await.refused(401, "BadJwt");

    // What was refused may be tried again.
    let last = moderator.token(UPDATE, "last");
    update(&app, &last, &json!({})).await.refused(400, "InvalidRequest");
    update(&app, &last, &takedown(&alice, false)).await.ok();
    assert!(is_active(&app, &alice).await);
    update(&app, &last, &takedown(&alice, true))
        .await
        .refused(401, "BadJwt");
    assert!(is_active(&app, &alice).await);
}

#[tokio::test]
async fn a_token_must_be_the_moderators_and_for_this_call() {
    let (moderator, app) = Moderator::start().await;
    let alice = app.account("alice").await;
    let by_labeler = |name: &str, value: Value| {
        let mut claims = claims(&moderator.labeler(), UPDATE, "a");
        claims[name] = value;
        sign(&moderator.labeler_key, &claims)
    };
    let of_pds = format!("{}#atproto_pds", moderator.did);
    for (token, error) in [
        (by_labeler("lxm", json!(INFO)), "BadJwtLexiconMethod"),
        (by_labeler("lxm", Value::Null), "BadJwtLexiconMethod"),
        (by_labeler("aud", json!("did:web:other.test")), "BadJwtAudience"),
        (by_labeler("exp", json!(1)), "JwtExpired"),
        (by_labeler("iss", json!(of_pds)), "UntrustedIss"),
        (by_labeler("iss", json!(alice.did)), "UntrustedIss"),
        // Each of its names has its key.
        (by_labeler("iss", json!(moderator.did)), "BadJwtSignature"),
        (
            sign(&moderator.key, &claims(&moderator.labeler(), UPDATE, "a")),
            "BadJwtSignature",
        ),
        ("x.y.z".to_owned(), "BadJwt"),
    ] {
        let answer = update(&app, &token, &takedown(&alice, true)).await;
        answer.refused(401, error);
    }
    assert!(is_active(&app, &alice).await);
    let good = by_labeler("aud", json!(format!("{SERVICE_DID}#atproto_pds")));
    update(&app, &good, &takedown(&alice, true)).await.ok();
    assert!(!is_active(&app, &alice).await);
}

#[tokio::test]
async fn some_things_only_the_administrator_does() {
    let (moderator, app) = Moderator::start().await;
    let alice = app.account("alice").await;
    for (nsid, input) in [
        ("com.atproto.admin.deleteAccount", json!({"did": alice.did})),
        (
            "com.atproto.admin.updateAccountPassword",
            json!({"did": alice.did, "password": "chosen by a moderator"}),
        ),
        (
            "com.atproto.admin.updateAccountEmail",
            json!({"account": alice.did, "email": "mod@mail.example.com"}),
        ),
        (
            "com.atproto.admin.updateAccountHandle",
            json!({"did": alice.did, "handle": "renamed.test"}),
        ),
        ("com.atproto.server.createInviteCode", json!({"useCount": 1})),
        (
            "com.atproto.temp.revokeAccountCredentials",
            json!({"account": alice.did}),
        ),
    ] {
        let request = app.api.post(nsid).bearer_auth(moderator.token(nsid, nsid)).json(&input);
        let answer = Answer::to(request).await.unwrap();
        answer.refused(401, "AuthenticationRequired");
    }
    let session = alice.session().await.ok();
    assert_eq!(
        (&session["handle"], &session["email"]),
        (&json!("alice.test"), &json!("alice@mail.example.com"))
    );
}

#[tokio::test]
async fn a_server_without_a_moderation_service_trusts_none() {
    let (moderator, _) = Moderator::start().await;
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let answer = info(&app, &moderator.token(INFO, "a"), &alice).await;
    answer.refused(401, "UntrustedIss");
}
