//! Invite codes: earned, listed, disabled (catalogue K1, K2).

use serde_json::{Value, json};

use crate::harness::ADMIN_PASSWORD;
use crate::{Answer, TestApp};

const OWN: &str = "com.atproto.server.getAccountInviteCodes";
const LIST: &str = "com.atproto.admin.getInviteCodes";

async fn admin(app: &TestApp, nsid: &str, input: &Value) -> Answer {
    let request = app.api.post(nsid).basic_auth("admin", Some(ADMIN_PASSWORD));
    Answer::to(request.json(input)).await.unwrap()
}

async fn listed(app: &TestApp, params: &[(&str, &str)]) -> Value {
    let request = app.api.get(LIST, params).basic_auth("admin", Some(ADMIN_PASSWORD));
    Answer::to(request).await.unwrap().ok()
}

fn codes(answer: &Value) -> Vec<String> {
    let codes = answer["codes"].as_array().unwrap();
    codes
        .iter()
        .map(|code| code["code"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn accounts_earn_codes_up_to_five() {
    let app = TestApp::start_with(&[("PDS_INVITE_INTERVAL", "1")]).await;
    let alice = app.account("alice").await;
    let none = alice.query(OWN, &[("createAvailable", "false")]).await.ok();
    assert!(codes(&none).is_empty());
    let own = alice.query(OWN, &[]).await.ok();
    assert_eq!(codes(&own).len(), 5);
    let code = &own["codes"][0];
    assert_eq!((&code["available"], &code["disabled"]), (&json!(1), &json!(false)));
    assert_eq!(
        (&code["forAccount"], &code["createdBy"]),
        (&json!(alice.did), &json!(alice.did))
    );
    assert_eq!(
        codes(&alice.query(OWN, &[]).await.ok()),
        codes(&own),
        "none while five are unused"
    );

    let mut sign_up = app.sign_up("bob").await;
    sign_up["inviteCode"] = code["code"].clone();
    app.api
        .procedure("com.atproto.server.createAccount", &sign_up)
        .await
        .ok();
    assert_eq!(codes(&alice.query(OWN, &[]).await.ok()).len(), 6);
    assert_eq!(
        codes(&alice.query(OWN, &[("includeUsed", "false")]).await.ok()).len(),
        5
    );
    let maybe = alice.query(OWN, &[("createAvailable", "maybe")]).await;
    maybe.refused(400, "InvalidRequest");

    admin(
        &app,
        "com.atproto.admin.disableAccountInvites",
        &json!({"account": alice.did}),
    )
    .await
    .ok();
    admin(
        &app,
        "com.atproto.admin.disableInviteCodes",
        &json!({"accounts": [alice.did]}),
    )
    .await
    .ok();
    assert!(
        codes(&alice.query(OWN, &[]).await.ok()).is_empty(),
        "earned, but good for nothing"
    );
    sign_up["inviteCode"] = json!(codes(&own)[1]);
    sign_up["handle"] = json!("carol.test");
    let refused = app.api.procedure("com.atproto.server.createAccount", &sign_up).await;
    refused.refused(400, "InvalidInviteCode");
    admin(
        &app,
        "com.atproto.admin.enableAccountInvites",
        &json!({"account": alice.did}),
    )
    .await
    .ok();
}

#[tokio::test]
async fn administrators_page_through_all_codes() {
    let app = TestApp::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(app.invite(10).await);
    }
    let mut sign_up = app.sign_up("alice").await;
    sign_up["inviteCode"] = json!(made[2]);
    app.api
        .procedure("com.atproto.server.createAccount", &sign_up)
        .await
        .ok();

    for sort in ["recent", "usage"] {
        let whole = codes(&listed(&app, &[("sort", sort)]).await);
        assert_eq!(whole.len(), 6, "{sort}");
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = listed(&app, &[("sort", sort), ("limit", "2"), ("cursor", &cursor)]).await;
            paged.extend(codes(&page));
            match page["cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(paged, whole, "{sort}");
    }
    let most_used = listed(&app, &[("sort", "usage"), ("limit", "1")]).await;
    assert_eq!(most_used["codes"][0]["code"], made[2].as_str());
    assert_eq!(most_used["codes"][0]["uses"].as_array().unwrap().len(), 1);

    let get = |params: &[(&str, &str)]| app.api.get(LIST, params).basic_auth("admin", Some(ADMIN_PASSWORD));
    for params in [("sort", "foo"), ("cursor", "x"), ("cursor", "x::y"), ("limit", "501")] {
        Answer::to(get(&[params])).await.unwrap().refused(400, "InvalidRequest");
    }
    app.api.query(LIST, &[]).await.refused(401, "AuthenticationRequired");

    let disable = "com.atproto.admin.disableInviteCodes";
    admin(&app, disable, &json!({"codes": [made[0], "unknown"]})).await.ok();
    admin(&app, disable, &json!({"accounts": ["admin"]}))
        .await
        .refused(400, "InvalidRequest");
    let listed = listed(&app, &[]).await;
    let disabled = listed["codes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|code| code["disabled"] == true);
    assert_eq!(
        disabled.map(|code| code["code"].as_str().unwrap()).collect::<Vec<_>>(),
        [made[0].as_str()]
    );
}

#[tokio::test]
async fn a_code_counts_also_where_none_is_needed() {
    let app = TestApp::start_with(&[("PDS_INVITE_REQUIRED", "false")]).await;
    let create = "com.atproto.server.createAccount";
    let mut comer = app.sign_up("comer").await;
    let code = comer["inviteCode"].clone();
    let did = app.api.procedure(create, &comer).await.ok()["did"].clone();
    let request = app
        .api
        .get("com.atproto.admin.getAccountInfo", &[("did", did.as_str().unwrap())]);
    let info = Answer::to(request.basic_auth("admin", Some(ADMIN_PASSWORD)));
    assert_eq!(info.await.unwrap().ok()["invitedBy"]["code"], code);
    comer["handle"] = json!("seconder.test");
    comer["email"] = json!("seconder@mail.example.com");
    app.api
        .procedure(create, &comer)
        .await
        .refused(400, "InvalidInviteCode");
    comer["inviteCode"] = json!("");
    app.api.procedure(create, &comer).await.ok();
}

#[tokio::test]
async fn codes_of_an_account_that_is_taken_down_are_good_for_nothing() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let owned = json!({"useCount": 2, "forAccount": alice.did});
    let code = admin(&app, "com.atproto.server.createInviteCode", &owned).await.ok()["code"].clone();
    let subject = json!({"$type": "com.atproto.admin.defs#repoRef", "did": alice.did});
    for (applied, name) in [(true, "bob"), (false, "carol")] {
        let takedown = json!({"subject": subject, "takedown": {"applied": applied}});
        admin(&app, "com.atproto.admin.updateSubjectStatus", &takedown)
            .await
            .ok();
        let mut input = app.sign_up(name).await;
        input["inviteCode"] = code.clone();
        let created = app.api.procedure("com.atproto.server.createAccount", &input).await;
        if applied {
            created.refused(400, "InvalidInviteCode");
        } else {
            created.ok();
        }
    }
}

#[tokio::test]
async fn only_who_is_invited_learns_that_an_address_is_taken() {
    let app = TestApp::start().await;
    app.account("taken").await;
    let mut input = app.sign_up("alice").await;
    input["email"] = json!("taken@mail.example.com");
    let message = app
        .api
        .procedure("com.atproto.server.createAccount", &input)
        .await
        .refused(400, "InvalidRequest");
    assert!(message.contains("taken@mail.example.com"), "{message}");
    for code in [json!(""), json!("pds-test-aaaaa-bbbbb")] {
        input["inviteCode"] = code;
        let message = app
            .api
            .procedure("com.atproto.server.createAccount", &input)
            .await
            .refused(400, "InvalidInviteCode");
        assert!(!message.contains("taken"), "{message}");
    }
}
