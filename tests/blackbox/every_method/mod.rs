//! Every method of `server`, `identity`, `admin`, `moderation` and `temp` with wrong credentials, verbs, types and sizes (catalogue A, B, G, K, M):
//! each is refused as the reference refuses it, and nothing has changed.

mod table;

use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};

use crate::harness::{ADMIN_PASSWORD, password};
use crate::untouched::Untouched;
use crate::{Account, Answer, TestApp};
use table::{Field, METHODS, Takes, Who};

/// Longer than anything may be, and short enough to be read.
const OVERLONG: usize = 100_000;
/// Where a long text is as good as any, or as good as any that is unknown.
const MAY_BE_LONG: [(&str, &str); 8] = [
    ("com.atproto.server.createInviteCodes", "forAccounts"),
    ("com.atproto.server.requestPasswordReset", "email"),
    ("com.atproto.server.revokeAppPassword", "name"),
    ("com.atproto.admin.disableAccountInvites", "note"),
    ("com.atproto.admin.enableAccountInvites", "note"),
    ("com.atproto.admin.sendEmail", "subject"),
    ("com.atproto.admin.sendEmail", "content"),
    ("com.atproto.admin.sendEmail", "comment"),
];

/// The tokens of an account that exists, and one of an app password of it.
struct Callers {
    account: Account,
    app_password: String,
}

impl Callers {
    async fn new(app: &TestApp) -> Callers {
        let account = app.account("caller").await;
        let made = account
            .call("com.atproto.server.createAppPassword", &json!({"name": "app"}))
            .await
            .ok();
        let login = json!({"identifier": account.handle, "password": made["password"]});
        let session = app.api.procedure("com.atproto.server.createSession", &login).await.ok();
        let app_password = session["accessJwt"].as_str().unwrap().to_owned();
        Callers { account, app_password }
    }

    /// With the right credentials.
    fn authorize(&self, who: Who, request: RequestBuilder) -> RequestBuilder {
        match who {
            Who::Anybody | Who::Newcomer => request,
            Who::Account | Who::Owner => request.bearer_auth(&self.account.access),
            Who::Refresher => request.bearer_auth(&self.account.refresh),
            Who::Admin | Who::Moderator => request.basic_auth("admin", Some(ADMIN_PASSWORD)),
        }
    }

    /// A value that the field takes. It names nobody but the caller.
    fn value(&self, field: Field) -> Value {
        match field {
            Field::Text => json!("x"),
            Field::Texts => json!(["x"]),
            Field::Did | Field::Id => json!(self.account.did.as_str()),
            Field::Dids => json!([self.account.did.as_str()]),
            Field::Handle => json!("nobody-yet.test"),
            Field::Nsid => json!("com.example.method"),
            Field::Uri => json!(format!("at://{}/com.example.note/a", self.account.did)),
            Field::Cids => json!("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
            Field::Time => json!("2099-01-01T00:00:00Z"),
            Field::Number => json!(1),
            Field::Flag => json!(false),
            Field::Object | Field::Any => json!({}),
        }
    }

    /// An input that lacks nothing.
    fn input(&self, fields: &[(&str, Field)]) -> Map<String, Value> {
        let needed = fields
            .iter()
            .filter_map(|(name, field)| Some((name.strip_prefix('!')?, *field)));
        needed
            .map(|(name, field)| (name.to_owned(), self.value(field)))
            .collect()
    }
}

/// A request of the right kind for a method.
fn request(app: &TestApp, nsid: &str, takes: Takes) -> RequestBuilder {
    match takes {
        Takes::Parameters(_) => app.api.get(nsid, &[]),
        Takes::Nothing | Takes::Input(_) => app.api.post(nsid),
    }
}

/// A request with everything that it needs but credentials.
fn complete(app: &TestApp, callers: &Callers, nsid: &str, takes: Takes) -> RequestBuilder {
    match takes {
        Takes::Parameters(fields) => app.api.get(nsid, &[]).query(&pairs(&callers.input(fields))),
        Takes::Nothing => app.api.post(nsid),
        Takes::Input(fields) => app.api.post(nsid).json(&callers.input(fields)),
    }
}

fn pairs(input: &Map<String, Value>) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let all = |(name, value): (&String, &Value)| match value {
        Value::Array(values) => values.iter().map(|value| (name.clone(), text(value))).collect(),
        value => vec![(name.clone(), text(value))],
    };
    input.iter().flat_map(all).collect()
}

/// What was not as it should be.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    /// The answer must have this status and error.
    async fn expect(&mut self, case: String, request: RequestBuilder, status: u16, errors: &[&str]) {
        let answer = Answer::to(request)
            .await
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let error = body["error"].as_str().unwrap_or_default();
        let says_why = body["message"].as_str().is_some_and(|message| !message.is_empty());
        if answer.status != status || !errors.contains(&error) || !says_why {
            let text: String = answer.text().chars().take(200).collect();
            self.0
                .push(format!("{case}: {} {text}, not {status} {errors:?}", answer.status));
        }
    }

    #[track_caller]
    fn assert_none(self) {
        assert!(self.0.is_empty(), "{}\n{} in all", self.0.join("\n"), self.0.len());
    }
}

#[tokio::test]
async fn credentials_of_another_kind_are_refused() {
    let app = TestApp::start().await;
    let victim = app.account("alice").await;
    let callers = Callers::new(&app).await;
    let untouched = Untouched::of(&app, &victim).await;
    let mut findings = Findings::default();
    for &(nsid, who, takes) in METHODS {
        let complete = || complete(&app, &callers, nsid, takes);
        let nothing = complete();
        let garbage = complete().bearer_auth("garbage");
        let unknown = complete().header("authorization", "Digest x");
        let access = complete().bearer_auth(&callers.account.access);
        let refresh = complete().bearer_auth(&callers.account.refresh);
        let admin = complete().basic_auth("admin", Some(ADMIN_PASSWORD));
        let cases: Vec<(&str, RequestBuilder, u16, &str)> = match who {
            Who::Anybody => Vec::new(),
            Who::Newcomer => vec![
                ("garbage", garbage, 401, "BadJwt"),
                ("an access token", access, 401, "BadJwtType"),
                ("the admin password", admin, 401, "AuthenticationRequired"),
            ],
            Who::Account | Who::Owner => vec![
                ("nothing", nothing, 401, "AuthMissing"),
                ("garbage", garbage, 400, "InvalidToken"),
                ("an unknown scheme", unknown, 400, "InvalidToken"),
                ("a refresh token", refresh, 400, "InvalidToken"),
                ("the admin password", admin, 400, "InvalidToken"),
            ],
            Who::Refresher => vec![
                ("nothing", nothing, 401, "AuthMissing"),
                ("garbage", garbage, 400, "InvalidToken"),
                ("an access token", access, 400, "InvalidToken"),
                ("the admin password", admin, 401, "AuthMissing"),
            ],
            Who::Admin | Who::Moderator => vec![
                ("nothing", nothing, 401, "AuthenticationRequired"),
                (
                    "a wrong password",
                    complete().basic_auth("admin", Some("x")),
                    401,
                    "AuthenticationRequired",
                ),
                (
                    "no password",
                    complete().basic_auth("admin", Some("")),
                    401,
                    "AuthenticationRequired",
                ),
                (
                    "another user",
                    complete().basic_auth("root", Some(ADMIN_PASSWORD)),
                    401,
                    "AuthenticationRequired",
                ),
            ],
        };
        for (case, request, status, error) in cases {
            findings
                .expect(format!("{nsid} with {case}"), request, status, &[error])
                .await;
        }
        match who {
            Who::Owner => {
                let request = complete().bearer_auth(&callers.app_password);
                let case = format!("{nsid} with an app password");
                findings.expect(case, request, 400, &["InvalidToken"]).await;
            }
            Who::Admin => {
                let request = complete().bearer_auth(&callers.account.access);
                let case = format!("{nsid} with an access token");
                findings.expect(case, request, 401, &["AuthenticationRequired"]).await;
            }
            Who::Moderator => {
                let request = complete().bearer_auth(&callers.account.access);
                let case = format!("{nsid} with an access token");
                findings
                    .expect(case, request, 401, &["BadJwtType", "UntrustedIss"])
                    .await;
            }
            Who::Anybody | Who::Newcomer | Who::Account | Who::Refresher => {}
        }
    }
    findings.assert_none();
    callers.account.session().await.ok();
    untouched.assert(&app).await;
}

#[tokio::test]
async fn other_verbs_and_bodies_of_another_kind_are_refused() {
    const INVALID: &[&str] = &["InvalidRequest"];
    let app = TestApp::start().await;
    let victim = app.account("alice").await;
    let callers = Callers::new(&app).await;
    let untouched = Untouched::of(&app, &victim).await;
    let mut findings = Findings::default();
    for &(nsid, who, takes) in METHODS {
        let by_caller = |request| callers.authorize(who, request);
        let other_verb = match takes {
            Takes::Parameters(_) => app.api.post(nsid),
            Takes::Nothing | Takes::Input(_) => app.api.get(nsid, &[]),
        };
        findings
            .expect(format!("{nsid} by another verb"), by_caller(other_verb), 400, INVALID)
            .await;
        for verb in [Method::PUT, Method::DELETE, Method::PATCH] {
            let request = app.api.page(verb.clone(), &format!("/xrpc/{nsid}"));
            findings
                .expect(format!("{nsid} by {verb}"), by_caller(request), 400, INVALID)
                .await;
        }
        let typed = |media: &str, body: &'static [u8]| {
            let request = request(&app, nsid, takes).header("content-type", media).body(body);
            by_caller(request)
        };
        match takes {
            Takes::Parameters(_) | Takes::Nothing => {
                let case = format!("{nsid} with a body");
                findings
                    .expect(case, typed("application/json", b"{}"), 400, INVALID)
                    .await;
            }
            Takes::Input(_) => {
                let bodies: [(&str, &'static [u8]); 9] = [
                    ("application/json", b""),
                    ("application/json", b"{"),
                    ("application/json", b"[]"),
                    ("application/json", b"null"),
                    ("application/json", b"\"x\""),
                    ("application/json", b"\xff{}"),
                    ("text/plain", b"{}"),
                    ("application/cbor", b"\xa0"),
                    ("multipart/form-data; boundary=x", b"--x--"),
                ];
                for (media, body) in bodies {
                    let case = format!("{nsid} with {:?} as {media}", String::from_utf8_lossy(body));
                    let error = if body == b"{" { "SyntaxError" } else { "InvalidRequest" };
                    findings.expect(case, typed(media, body), 400, &[error]).await;
                }
                let untyped = by_caller(app.api.post(nsid).body("{}"));
                findings
                    .expect(format!("{nsid} with a body of no type"), untyped, 400, INVALID)
                    .await;
                let long = format!("{{\"x\":\"{}\"}}", "x".repeat(150 * 1024));
                let long = app.api.post(nsid).header("content-type", "application/json").body(long);
                let case = format!("{nsid} with a long body");
                findings
                    .expect(case, by_caller(long), 413, &["PayloadTooLargeError"])
                    .await;
            }
        }
    }
    findings.assert_none();
    callers.account.session().await.ok();
    untouched.assert(&app).await;
}

/// Values that are none of the field's.
fn wrong(field: Field) -> Vec<Value> {
    let mut values = vec![
        json!(7),
        json!(1.5),
        json!(true),
        json!(null),
        json!(["x"]),
        json!([7]),
        json!({"x": 1}),
        json!("x y"),
    ];
    values.retain(|value| match field {
        Field::Text => !value.is_string(),
        Field::Texts => *value != json!(["x"]),
        Field::Number => *value != json!(7),
        Field::Flag => !value.is_boolean(),
        Field::Object => !value.is_object(),
        Field::Any => false,
        _ => true,
    });
    values
}

#[tokio::test]
async fn fields_that_are_missing_or_of_another_kind_are_refused() {
    const INVALID: &[&str] = &["InvalidRequest"];
    let app = TestApp::start().await;
    let victim = app.account("alice").await;
    let callers = Callers::new(&app).await;
    let untouched = Untouched::of(&app, &victim).await;
    let mut findings = Findings::default();
    for &(nsid, who, takes) in METHODS {
        let (Takes::Parameters(fields) | Takes::Input(fields)) = takes else {
            continue;
        };
        for &(name, field) in fields {
            let (needed, name) = name.strip_prefix('!').map_or((false, name), |name| (true, name));
            let mut inputs = Vec::new();
            if needed {
                let mut input = callers.input(fields);
                input.remove(name);
                inputs.push(input);
            }
            for value in wrong(field) {
                // Parameters are texts: what they look like is all there is.
                let is_text = matches!(takes, Takes::Parameters(_));
                if is_text
                    && (field == Field::Text || !(value.is_string() || field == Field::Number && value == json!(1.5)))
                {
                    continue;
                }
                let mut input = callers.input(fields);
                input.insert(name.to_owned(), value);
                inputs.push(input);
            }
            for input in inputs {
                let case = format!(
                    "{nsid} with {name} {}",
                    input.get(name).map_or("missing".to_owned(), Value::to_string)
                );
                let request = match takes {
                    Takes::Parameters(_) => app.api.get(nsid, &[]).query(&pairs(&input)),
                    _ => app.api.post(nsid).json(&input),
                };
                findings
                    .expect(case, callers.authorize(who, request), 400, INVALID)
                    .await;
            }
        }
    }
    findings.assert_none();
    callers.account.session().await.ok();
    untouched.assert(&app).await;
}

#[tokio::test]
async fn texts_that_are_too_long_do_no_harm() {
    let app = TestApp::start().await;
    let victim = app.account("alice").await;
    let callers = Callers::new(&app).await;
    let untouched = Untouched::of(&app, &victim).await;
    let mut findings = Vec::new();
    for &(nsid, who, takes) in METHODS {
        let Takes::Input(fields) = takes else { continue };
        for &(name, field) in fields {
            let name = name.trim_start_matches('!');
            let long = match field {
                Field::Text => json!("x".repeat(OVERLONG)),
                Field::Did => json!(format!("did:web:{}", "x".repeat(OVERLONG))),
                Field::Handle | Field::Id => json!(format!("{}.test", "x".repeat(OVERLONG))),
                Field::Texts => json!(vec!["x"; OVERLONG / 4]),
                Field::Dids => json!(vec![callers.account.did.as_str(); OVERLONG / 40]),
                _ => continue,
            };
            let mut input = callers.input(fields);
            input.insert(name.to_owned(), long);
            let request = callers.authorize(who, app.api.post(nsid).json(&input));
            let answer = Answer::to(request).await.unwrap();
            let is_good = answer.status == 200 && MAY_BE_LONG.contains(&(nsid, name));
            if !is_good && !(400..500).contains(&answer.status) {
                findings.push(format!(
                    "{nsid} with a long {name}: {} {:.100}",
                    answer.status,
                    answer.text()
                ));
            }
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    let login = json!({"identifier": callers.account.handle, "password": password("caller")});
    app.api.procedure("com.atproto.server.createSession", &login).await.ok();
    untouched.assert(&app).await;
}
