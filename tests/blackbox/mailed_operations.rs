//! Changes of a DID by its owner: asked for, signed with a mailed code, submitted.

use atproto_repo::Frame;
use serde_json::{Value, json};

use crate::mailed_codes::{NO_CODE, request, start};
use crate::{Account, Answer};

const REQUEST: &str = "com.atproto.identity.requestPlcOperationSignature";
const SIGN: &str = "com.atproto.identity.signPlcOperation";
const SUBMIT: &str = "com.atproto.identity.submitPlcOperation";

async fn submit(account: &Account, operation: &Value) -> Answer {
    account.call(SUBMIT, &json!({"operation": operation})).await
}

#[tokio::test]
async fn a_did_is_changed_with_a_mailed_code() {
    let (app, sink) = start().await;
    let alice = app.account("alice").await;
    request(&alice, REQUEST).await.ok();
    let mail = sink.mail(0).await;
    assert_eq!(
        mail.header("Subject").as_deref(),
        Some("PLC Update Operation Requested")
    );
    let code = mail.code().unwrap();

    alice.call(SIGN, &json!({})).await.refused(400, "InvalidRequest");
    alice
        .call(SIGN, &json!({"token": ""}))
        .await
        .refused(400, "InvalidRequest");
    alice
        .call(SIGN, &json!({"token": NO_CODE}))
        .await
        .refused(400, "InvalidToken");
    alice
        .call(SIGN, &json!({"token": code, "services": "x"}))
        .await
        .refused(400, "InvalidRequest");
    let before = app.plc.last(&alice.did);
    let own_key = before["rotationKeys"][0].clone();
    let recovery = "did:key:zDnaeYNSMUNYnrhGvg67JvuuqKMu9m3XYK9mbSMcEYMHHwWD1";
    let keys = json!([recovery, own_key]);
    let signed = alice
        .call(SIGN, &json!({"token": code, "rotationKeys": keys}))
        .await
        .ok();
    let operation = &signed["operation"];
    assert_eq!(operation["rotationKeys"], keys);
    assert_eq!(operation["alsoKnownAs"], before["alsoKnownAs"]);
    alice
        .call(SIGN, &json!({"token": code}))
        .await
        .refused(400, "InvalidToken");

    let mut firehose = app.firehose(None).await;
    submit(&alice, operation).await.ok();
    assert!(matches!(firehose.frame().await, Frame::Identity { did, .. } if did == alice.did));
    assert_eq!(app.plc.last(&alice.did)["rotationKeys"], keys);
}

#[tokio::test]
async fn an_operation_that_would_lose_the_account_is_refused() {
    let (app, sink) = start().await;
    let alice = app.account("alice").await;
    let mut wrong = Vec::new();
    for (index, (changes, message)) in [
        (
            json!({"alsoKnownAs": ["at://x.test"]}),
            "Incorrect handle in alsoKnownAs",
        ),
        (
            json!({"rotationKeys": ["did:key:zDnaeYNSMUNYnrhGvg67JvuuqKMu9m3XYK9mbSMcEYMHHwWD1"]}),
            "Rotation keys do not include server's rotation key",
        ),
        (json!({"services": {}}), "Incorrect type on atproto_pds service"),
        (
            json!({"services": {"atproto_pds": {"type": "AtprotoPersonalDataServer", "endpoint": "https://x.test"}}}),
            "Incorrect endpoint on atproto_pds service",
        ),
        (json!({"verificationMethods": {}}), "Incorrect signing key"),
    ]
    .into_iter()
    .enumerate()
    {
        request(&alice, REQUEST).await.ok();
        let mut input = changes;
        input["token"] = json!(sink.mail(index).await.code());
        let signed = alice.call(SIGN, &input).await.ok();
        wrong.push((signed["operation"].clone(), message));
    }
    let before = app.plc.last(&alice.did);
    for (operation, message) in wrong {
        assert_eq!(submit(&alice, &operation).await.refused(400, "InvalidRequest"), message);
    }
    submit(&alice, &json!({"type": "plc_operation"}))
        .await
        .refused(400, "InvalidRequest");
    alice.call(SUBMIT, &json!({})).await.refused(400, "InvalidRequest");
    assert_eq!(app.plc.last(&alice.did), before);
}
