//! Accounts of a did:web, whose document its owner keeps: they move in, live here and move out.

use std::sync::{Arc, Mutex};

use atproto_data::crypto::Curve;
use atproto_data::{Did, PublicKey, SigningKey, jws};
use atproto_repo::{AccountStatus, Frame};
use serde_json::{Value, json};

use crate::harness::Plc;
use crate::mailed_codes::{NO_CODE, request};
use crate::repo_car::verify_repo;
use crate::service_auth::{claims, create, document_of, serve_document, sign};
use crate::{Account, Answer, Firehose, TestApp};

const NEW_HOST: &str = "new.example.net";
const NOTE: &str = "com.example.note";

/// A server that reaches documents on loopback, by the name of `host`.
async fn host(plc: &Plc, host: &str) -> TestApp {
    let settings = [("PDS_DISABLE_SSRF_PROTECTION", "true"), ("PDS_HOSTNAME", host)];
    let mut app = TestApp::start_beside(plc.clone(), &settings).await;
    // The PLC directory knows nothing of this DID's keys.
    app.is_not_replayed();
    app
}

/// Creates the DID's account with a token, still inactive.
async fn arrive(app: &TestApp, did: &Did, token: &str) -> Account {
    let mut input = app.sign_up("mover").await;
    input["did"] = json!(did);
    Account::new(&app.api, &create(app, token, &input).await.ok())
}

/// The signing key that a host has for the account.
async fn hosted_key(account: &Account) -> String {
    let recommended = "com.atproto.identity.getRecommendedDidCredentials";
    let credentials = account.query(recommended, &[]).await.ok();
    credentials["verificationMethods"]["atproto"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn activate(account: &Account) -> Answer {
    request(account, "com.atproto.server.activateAccount").await
}

/// A token of the host's for creating the account elsewhere; whoever reads the document can verify it.
async fn token_for(account: &Account, key: &str, aud: &str) -> String {
    let params = [("aud", aud), ("lxm", "com.atproto.server.createAccount")];
    let answer = account.query("com.atproto.server.getServiceAuth", &params).await.ok();
    let token = answer["token"].as_str().unwrap().to_owned();
    jws::parse(&token)
        .unwrap()
        .verify(&PublicKey::from_did_key(key).unwrap())
        .unwrap();
    token
}

/// The records with one blob, brought from the old host.
async fn bring_data(old: &Account, new: &Account, blob: &str) {
    let import = new.api.post("com.atproto.repo.importRepo").bearer_auth(&new.access);
    let import = import
        .header("content-type", "application/vnd.ipld.car")
        .body(old.export().await);
    Answer::to(import).await.unwrap().ok();
    let missing = new.query("com.atproto.repo.listMissingBlobs", &[]).await.ok();
    assert_eq!(missing["blobs"][0]["cid"], blob);
    let params = [("did", old.did.as_str()), ("cid", blob)];
    let bytes = old.api.query("com.atproto.sync.getBlob", &params).await.bytes();
    assert_eq!(upload(new, bytes).await["ref"]["$link"], blob);
}

async fn upload(account: &Account, bytes: Vec<u8>) -> Value {
    let upload = account
        .api
        .post("com.atproto.repo.uploadBlob")
        .bearer_auth(&account.access);
    let uploaded = Answer::to(upload.header("content-type", "text/plain").body(bytes)).await;
    uploaded.unwrap().ok()["blob"].clone()
}

/// What the new host tells when the account comes: it is here, this is who it is, and this is its repo.
async fn assert_arrival(firehose: &mut Firehose, did: &Did) {
    let told = [firehose.frame().await, firehose.frame().await, firehose.frame().await];
    let [
        Frame::Account { did: first, active, .. },
        Frame::Identity { did: second, .. },
        Frame::Sync { did: third, .. },
    ] = &told
    else {
        panic!("{told:?}")
    };
    assert_eq!((first, active, second, third), (did, &true, did, did));
}

#[tokio::test]
async fn a_did_web_is_hosted_here_once_its_document_says_so() {
    let app = host(&Plc::start().await, "pds.test").await;
    let (did, document) = serve_document().await;
    let key = SigningKey::from_bytes(Curve::K256, &[15; 32]).unwrap();
    let set = |signing_key: &str, endpoint, handle| {
        *document.lock().unwrap() = document_of(&did, signing_key, endpoint, handle);
    };
    set(
        &key.public_key().to_did_key(),
        "https://elsewhere.example",
        "mover.test",
    );
    let mover = arrive(&app, &did, &sign(&key, &claims(&did))).await;
    activate(&mover).await.refused(400, "InvalidRequest");

    let signing_key = &hosted_key(&mover).await;
    set(signing_key, "https://elsewhere.example", "mover.test");
    activate(&mover).await.refused(400, "InvalidRequest");
    set(signing_key, "https://pds.test", "mover.test");
    activate(&mover).await.ok();
    let status = mover.query("com.atproto.server.checkAccountStatus", &[]).await.ok();
    assert_eq!(
        (&status["activated"], &status["validDid"]),
        (&json!(true), &json!(true))
    );
    mover.create("com.example.note", "a", &json!({"text": "x"})).await;

    let not_plc = "Only a did:plc is changed here: the owner of another DID changes its document";
    let code = request(&mover, "com.atproto.identity.requestPlcOperationSignature").await;
    assert_eq!(code.refused(400, "InvalidRequest"), not_plc);
    let sign = json!({"token": NO_CODE});
    let signed = mover.call("com.atproto.identity.signPlcOperation", &sign).await;
    assert_eq!(signed.refused(400, "InvalidRequest"), not_plc);
    let rename = json!({"handle": "renamed.test"});
    let update = "com.atproto.identity.updateHandle";
    mover.call(update, &rename).await.refused(400, "InvalidRequest");
    set(signing_key, "https://pds.test", "renamed.test");
    mover.call(update, &rename).await.ok();
    assert_eq!(mover.session().await.ok()["handle"], "renamed.test");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_did_web_moves_from_one_host_to_the_next() {
    let plc = Plc::start().await;
    let (old_host, new_host) = (host(&plc, "pds.test").await, host(&plc, NEW_HOST).await);
    let (did, document): (Did, Arc<Mutex<Value>>) = serve_document().await;
    let set = |key: &str, endpoint: &str| *document.lock().unwrap() = document_of(&did, key, endpoint, "mover.test");

    let first_key = SigningKey::from_bytes(Curve::K256, &[51; 32]).unwrap();
    set(&first_key.public_key().to_did_key(), "https://elsewhere.example");
    let old = arrive(&old_host, &did, &sign(&first_key, &claims(&did))).await;
    let old_key = hosted_key(&old).await;
    set(&old_key, "https://pds.test");
    activate(&old).await.ok();
    let blob = upload(&old, b"a picture".to_vec()).await;
    old.create(NOTE, "a", &json!({"picture": blob})).await;
    let (_, rev) = old.head().await;

    let token = token_for(&old, &old_key, &format!("did:web:{NEW_HOST}")).await;
    let new = arrive(&new_host, &did, &token).await;
    bring_data(&old, &new, blob["ref"]["$link"].as_str().unwrap()).await;
    let mut told = new_host.firehose(None).await;
    activate(&new).await.refused(400, "InvalidRequest");
    let new_key = hosted_key(&new).await;
    set(&new_key, &format!("https://{NEW_HOST}"));
    activate(&new).await.ok();
    assert_arrival(&mut told, &did).await;

    let mut left = old_host.firehose(None).await;
    old.call("com.atproto.server.deactivateAccount", &json!({})).await.ok();
    let last = left.frame().await;
    let Frame::Account { did: gone, status, .. } = &last else {
        panic!("{last:?}")
    };
    assert_eq!((gone, status), (&did, &Some(AccountStatus::Deactivated)));

    new.create(NOTE, "b", &json!({"text": "from the new home"})).await;
    let repo = verify_repo(&new.export().await, &did, &PublicKey::from_did_key(&new_key).unwrap());
    assert_eq!(repo.records.len(), 2);
    assert!(repo.rev > rev);
    assert!(matches!(told.frame().await, Frame::Commit(commit) if commit.did == did));
}
