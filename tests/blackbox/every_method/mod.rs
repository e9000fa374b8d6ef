//! Every method of `server`, `identity`, `repo`, `sync`, `admin`, `moderation` and `temp` with wrong credentials, verbs, types and sizes (catalogue A to E, G,
//! K, M): each is refused as the reference refuses it, and nothing has changed.

mod bodies;
mod credentials;
mod fields;
mod table;

use reqwest::RequestBuilder;
use serde_json::{Map, Value, json};

use crate::harness::ADMIN_PASSWORD;
use crate::untouched::Untouched;
use crate::{Account, Answer, TestApp};
use table::{Field, METHODS, Method, Takes, Who};

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
            Who::Anybody | Who::Newcomer | Who::Reader => request,
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
            Field::Rkey => json!("a"),
            Field::Rev => json!("3jzfcijpj2z2a"),
            Field::Writes => json!([]),
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

/// Methods that are tried while a reader of the firehose watches another account: no longer than the reader may be silent.
const WATCHED: usize = 10;

/// Tries something with every method. Nothing may be found, and nothing may have changed for another account. Gives back the server and
/// who called.
async fn try_every_method(attempt: impl AsyncFn(&TestApp, &Callers, &mut Findings, Method)) -> (TestApp, Callers) {
    let app = TestApp::start().await;
    let victim = app.account("alice").await;
    let callers = Callers::new(&app).await;
    let mut findings = Findings::default();
    for methods in METHODS.chunks(WATCHED) {
        let untouched = Untouched::of(&app, &victim).await;
        for method in methods {
            attempt(&app, &callers, &mut findings, *method).await;
        }
        untouched.assert(&app).await;
    }
    findings.assert_none();
    (app, callers)
}

/// A request of the right kind for a method.
fn request(app: &TestApp, nsid: &str, takes: Takes) -> RequestBuilder {
    match takes {
        Takes::Parameters(_) => app.api.get(nsid, &[]),
        Takes::Nothing | Takes::Input(_) | Takes::Bytes(_) => app.api.post(nsid),
    }
}

/// A request with everything that it needs but credentials.
fn complete(app: &TestApp, callers: &Callers, nsid: &str, takes: Takes) -> RequestBuilder {
    match takes {
        Takes::Parameters(fields) => app.api.get(nsid, &[]).query(&pairs(&callers.input(fields))),
        Takes::Nothing => app.api.post(nsid),
        Takes::Input(fields) => app.api.post(nsid).json(&callers.input(fields)),
        Takes::Bytes(media) => app.api.post(nsid).header("content-type", media).body("bytes"),
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
