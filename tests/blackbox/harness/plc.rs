//! A PLC directory within the test, which fails as it is told to.

use std::sync::{Arc, Mutex, MutexGuard};

use atproto_data::crypto::Curve;
use atproto_data::{Did, Handle, PublicKey, SigningKey};
use atproto_plc::directory::RateLimits;
use atproto_plc::{DidDocument, Directory, DirectoryError, State as PlcState, Timestamp, UnsignedOperation};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use pds::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How a directory treats operations that it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// As it should.
    None,
    /// Answers with this status and takes nothing.
    Refuse(u16),
    /// Takes the operation and answers with this status all the same.
    TakeAndAnswer(u16),
    /// Takes nothing and breaks the connection.
    Break,
    /// Takes the operation and breaks the connection.
    TakeAndBreak,
    /// Takes the operation and never answers.
    TakeAndStall,
    /// Takes nothing and never answers.
    Stall,
    /// Takes nothing and answers no question either.
    Silent,
}

/// A PLC directory on loopback. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Plc(Arc<Served>);

struct Served {
    url: String,
    directory: Mutex<Directory>,
    fault: Mutex<Fault>,
    /// What `…/log/last` says instead of the truth.
    last: Mutex<Option<(u16, Value)>>,
}

impl Plc {
    pub(crate) async fn start() -> Plc {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let plc = Plc::at(&listener);
        plc.serve(listener);
        plc
    }

    /// A directory at the address of a listener; nobody answers there before [`Plc::serve`].
    pub(crate) fn at(listener: &TcpListener) -> Plc {
        Plc(Arc::new(Served {
            url: format!("http://{}", listener.local_addr().unwrap()),
            directory: Mutex::new(Directory::with_rate_limits(RateLimits::NONE)),
            fault: Mutex::new(Fault::None),
            last: Mutex::new(None),
        }))
    }

    pub(crate) fn serve(&self, listener: TcpListener) {
        let router = Router::new()
            .route("/{did}", get(document).post(submit))
            .route("/{did}/log/last", get(last))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    }

    pub(crate) fn url(&self) -> &str {
        &self.0.url
    }

    /// Treats operations like this from now on.
    pub(crate) fn fails(&self, fault: Fault) {
        *self.0.fault.lock().unwrap() = fault;
    }

    /// Answers like this to whoever asks for the last operation of a DID, from now on.
    pub(crate) fn says_last(&self, answer: Option<(u16, Value)>) {
        *self.0.last.lock().unwrap() = answer;
    }

    /// Registers a DID of another server.
    pub(crate) fn register(&self, did: &Did, operation: &Value) {
        self.take(did.as_str(), operation).unwrap();
    }

    /// All DIDs in order.
    pub(crate) fn dids(&self) -> Vec<String> {
        let entries = self
            .directory()
            .export(atproto_plc::directory::ExportCursor::from_query(None).unwrap(), 1_000);
        entries
            .iter()
            .map(|entry| entry["did"].as_str().unwrap().to_owned())
            .collect()
    }

    /// A new DID whose document says that its service `id` is at `address`, whatever that is.
    pub(crate) fn registers_service(&self, id: &str, address: &str) -> Did {
        let key = SigningKey::from_bytes(Curve::K256, &[9; 32]).unwrap();
        let name: Handle = "service.example.com".parse().unwrap();
        let rotation_key = key.public_key().to_did_key();
        let mut state = PlcState::for_account(&rotation_key, &name, address, vec![rotation_key.clone()]);
        let service = state.services.remove("atproto_pds").unwrap();
        state.services.insert(id.to_owned(), service);
        let operation = UnsignedOperation::genesis(state).sign(&key);
        let did = operation.did_of_genesis();
        self.take(did.as_str(), &operation.to_json()).unwrap();
        did
    }

    /// The last operation of a DID.
    pub(crate) fn last(&self, did: &Did) -> Value {
        self.directory().last(did.as_str()).unwrap()
    }

    /// The key that signs an account's repo, as the DID document says.
    pub(crate) fn signing_key(&self, did: &Did) -> PublicKey {
        let document = self.directory().document(did.as_str()).unwrap();
        DidDocument::from_value(did, &document)
            .unwrap()
            .signing_key("atproto")
            .unwrap()
    }

    /// All keys that have ever signed an account's repo, as the directory's log says.
    pub(crate) fn signing_keys(&self, did: &Did) -> Vec<PublicKey> {
        let log = self.directory().log(did.as_str()).unwrap();
        let methods = log.as_array().unwrap().iter();
        let keys = methods.filter_map(|operation| operation["verificationMethods"]["atproto"].as_str());
        keys.map(|key| PublicKey::from_did_key(key).unwrap()).collect()
    }

    /// Never, while it is silent.
    async fn answers_questions(&self) {
        let is_silent = *self.0.fault.lock().unwrap() == Fault::Silent;
        if is_silent {
            std::future::pending::<()>().await;
        }
    }

    fn directory(&self) -> MutexGuard<'_, Directory> {
        self.0.directory.lock().unwrap()
    }

    fn take(&self, did: &str, operation: &Value) -> Result<(), DirectoryError> {
        let now = Timestamp::from_micros(SystemClock.now_micros().unsigned_abs());
        self.directory().submit(did, operation, now)
    }
}

async fn submit(State(plc): State<Plc>, Path(did): Path<String>, Json(operation): Json<Value>) -> Response {
    let fault = *plc.0.fault.lock().unwrap();
    if let Fault::Refuse(status) = fault {
        return status_answer(status);
    }
    match fault {
        Fault::Break => return broken(),
        Fault::Stall | Fault::Silent => return std::future::pending().await,
        _ => {}
    }
    if let Err(error) = plc.take(&did, &operation) {
        return refusal(&error);
    }
    match fault {
        Fault::TakeAndAnswer(status) => status_answer(status),
        Fault::TakeAndBreak => broken(),
        Fault::TakeAndStall => std::future::pending().await,
        _ => StatusCode::OK.into_response(),
    }
}

async fn document(State(plc): State<Plc>, Path(did): Path<String>) -> Response {
    plc.answers_questions().await;
    answer(plc.directory().document(&did))
}

async fn last(State(plc): State<Plc>, Path(did): Path<String>) -> Response {
    plc.answers_questions().await;
    if let Some((status, body)) = plc.0.last.lock().unwrap().clone() {
        return (StatusCode::from_u16(status).unwrap(), Json(body)).into_response();
    }
    answer(plc.directory().last(&did))
}

fn answer(result: Result<Value, DirectoryError>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &DirectoryError) -> Response {
    (
        StatusCode::from_u16(error.status).unwrap(),
        Json(json!({"message": error.message})),
    )
        .into_response()
}

fn status_answer(status: u16) -> Response {
    (
        StatusCode::from_u16(status).unwrap(),
        Json(json!({"message": "the directory does as it was told"})),
    )
        .into_response()
}

/// A body that breaks off: the client learns nothing but that the connection is gone.
fn broken() -> Response {
    let error = std::io::Error::other("the directory breaks the connection as it was told");
    Body::from_stream(futures_util::stream::once(async { Err::<Vec<u8>, _>(error) })).into_response()
}
