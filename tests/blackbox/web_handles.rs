//! Handles that a file on their web site proves, and where the server does not go to look for one (catalogue B4, J).

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::FutureExt as _;
use serde_json::json;
use tokio::net::TcpListener;

use crate::harness::{Certificate, Machine};
use crate::service_auth::{claims, create, did_elsewhere, sign};
use crate::{Account, Answer, TestApp};

const HANDLE: &str = "alice.sites.example.com";
/// Of another name's certificate.
const STRANGER: &str = "mallory.sites.example.com";
const NAME: &str = "_atproto.alice.sites.example.com";
const NOT_PROVEN: &str = "External handle did not resolve to DID";

/// What the web site has at `/.well-known/atproto-did`.
#[derive(Clone, Default)]
struct File(Arc<Mutex<(StatusCode, String)>>);

impl File {
    fn is(&self, status: u16, text: &str) {
        *self.0.lock().unwrap() = (StatusCode::from_u16(status).unwrap(), text.to_owned());
    }

    fn answer(&self) -> Response {
        let (status, text) = self.0.lock().unwrap().clone();
        if status.is_redirection() {
            return (status, [(header::LOCATION, text)]).into_response();
        }
        (status, text).into_response()
    }

    /// A site that has this file, with a certificate for `HANDLE`.
    fn serve(&self, listener: TcpListener, certificate: &Certificate) {
        let file = self.clone();
        let answer = async move || file.answer();
        let elsewhere = self.clone();
        let moved = async move || elsewhere.0.lock().unwrap().1.clone();
        let router = Router::new()
            .route("/.well-known/atproto-did", get(answer))
            .route("/did:plc:{id}", get(moved));
        let listener = certificate.listener(listener);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    }
}

/// A server with a site beside it that `HANDLE` and `STRANGER` lead to.
async fn start(machine: &Machine) -> (TestApp, File) {
    let (certificate, file) = (Certificate::of(&[HANDLE]), File::default());
    file.serve(machine.web().await, &certificate);
    let settings = [certificate.trusted(), ("PDS_ID_RESOLVER_TIMEOUT", "2000")];
    let app = TestApp::start_in(machine, &settings).await;
    (app, file)
}

async fn update(account: &Account, handle: &str) -> Answer {
    account
        .call("com.atproto.identity.updateHandle", &json!({"handle": handle}))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_on_the_site_proves_a_handle() {
    let Some(machine) = Machine::knowing(&[HANDLE, STRANGER]).await else {
        return;
    };
    let (app, file) = start(&machine).await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    let right = alice.did.as_str();
    for (status, text) in [
        (404, right.to_owned()),
        (500, right.to_owned()),
        (200, String::new()),
        (200, bob.did.to_string()),
        (200, format!("did={right}")),
        (200, format!("<html>{right}</html>")),
        (200, format!("\n{right}")),
        (200, format!("{right}\n{}", "x".repeat(5_000))),
        (302, format!("/{right}")),
    ] {
        file.is(status, &text);
        let message = update(&alice, HANDLE).await.refused(400, "InvalidRequest");
        assert_eq!(message, NOT_PROVEN, "{status} {text}");
    }
    file.is(200, right);
    let message = update(&alice, STRANGER).await.refused(400, "InvalidRequest");
    assert_eq!(message, NOT_PROVEN, "the site's certificate is for another name");
    // What the DNS says counts more than the file.
    machine.names.set(NAME, &[&format!("did={}", bob.did)]);
    update(&alice, HANDLE).await.refused(400, "InvalidRequest");
    machine.names.set(NAME, &[]);
    file.is(200, &format!("{right}\r\n"));
    update(&alice, HANDLE).await.ok();
    assert_eq!(alice.session().await.ok()["handle"], HANDLE);
    assert_eq!(
        app.plc.last(&alice.did)["alsoKnownAs"],
        json!([format!("at://{HANDLE}")])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_moves_in_brings_a_handle_of_another_domain() {
    let Some(machine) = Machine::knowing(&[HANDLE]).await else {
        return;
    };
    let (app, file) = start(&machine).await;
    file.is(404, "");
    for (byte, proof) in [(41, "file"), (42, "record")] {
        let (did, key) = did_elsewhere(&app, byte);
        let mut input = app.sign_up("mover").await;
        input["did"] = json!(did);
        input["handle"] = json!(HANDLE);
        let token = sign(&key, &claims(&did));
        let message = create(&app, &token, &input).await.refused(400, "InvalidRequest");
        assert_eq!(message, NOT_PROVEN, "{proof}");
        match proof {
            "file" => file.is(200, did.as_str()),
            _ => machine.names.set(NAME, &[&format!("did={did}")]),
        }
        let mover = Account::new(&app.api, &create(&app, &token, &input).await.ok());
        assert_eq!(mover.session().await.ok()["handle"], HANDLE);
        let delete = json!({"did": did});
        app.administer("com.atproto.admin.deleteAccount", &delete).await.ok();
        file.is(404, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_that_lead_into_our_own_network_are_not_followed() {
    let Some(machine) = Machine::knowing(&[HANDLE]).await else {
        return;
    };
    let site = machine.web().await;
    let guarded = [("PDS_DISABLE_SSRF_PROTECTION", "false")];
    let app = TestApp::start_in(&machine, &guarded).await;
    let alice = app.account("alice").await;
    let message = update(&alice, HANDLE).await.refused(400, "InvalidRequest");
    assert_eq!(message, NOT_PROVEN);
    let resolve = "com.atproto.identity.resolveHandle";
    let unknown = app.api.query(resolve, &[("handle", HANDLE)]).await;
    unknown.refused(400, "InvalidRequest");
    let (did, key) = did_elsewhere(&app, 43);
    let mut input = app.sign_up("mover").await;
    input["did"] = json!(did);
    input["handle"] = json!(HANDLE);
    let refused = create(&app, &sign(&key, &claims(&did)), &input).await;
    refused.refused(400, "InvalidRequest");
    assert!(site.accept().now_or_never().is_none(), "nobody came");
    // The record alone is enough: it leads nowhere.
    machine.names.set(NAME, &[&format!("did={}", alice.did)]);
    update(&alice, HANDLE).await.ok();
}
