//! Records that break the data model, the limits or what a writer said was there (catalogue C).

use atproto_data::Cid;
use serde_json::{Value, json};

use crate::firehose::StreamVerifier;
use crate::harness::{cid_of, create_write, vector_file};
use crate::repo_car::verify_repo;
use crate::untouched::{Untouched, assert_refused};
use crate::{Account, Answer, TestApp};

pub(crate) const NOTE: &str = "com.example.note";
const CREATE: &str = "com.atproto.repo.createRecord";

/// Sends a record whose JSON is written as it stands.
pub(crate) async fn send(app: &TestApp, account: &Account, record: &str) -> Answer {
    let input = account
        .write(NOTE, "raw", &json!("RECORD"))
        .to_string()
        .replace("\"RECORD\"", record);
    let request = app
        .api
        .post(CREATE)
        .bearer_auth(&account.access)
        .header("content-type", "application/json")
        .body(input);
    Answer::to(request).await.unwrap()
}

fn nested(levels: usize) -> String {
    format!("{{\"a\":{}1{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1))
}

#[tokio::test]
async fn records_outside_the_data_model_are_refused() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let untouched = Untouched::of(&app, &alice).await;
    let raw = "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity";
    let mut records: Vec<String> = [
        "1", "\"text\"", "[]", "null", "true",
        r#"{"a":1.5}"#, r#"{"a":1e400}"#, r#"{"a":-1.5e-7}"#, r#"{"a":NaN}"#, r#"{"a":01}"#,
        r#"{"a":9007199254740992}"#, r#"{"a":-9007199254740992}"#, r#"{"a":18446744073709551616}"#,
        r#"{"a":100000000000000000000000000001}"#, r#"{"a":1e30}"#,
        r#"{"$type":""}"#, r#"{"$type":null}"#, r#"{"$type":7}"#, r#"{"$type":"com.example.other"}"#,
        r#"{"$type":["com.example.note"]}"#, r#"{"a":{"$type":""}}"#, r#"{"a":{"$type":{}}}"#,
        r#"{"a":{"$link":"."}}"#, r#"{"a":{"$link":7}}"#, r#"{"a":{"$link":null}}"#, r#"{"$link":"x"}"#,
        r#"{"a":{"$link":"QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"}}"#,
        // sha2-512, identity, dag-pb
        r#"{"a":{"$link":"bafkrgqg5v76v5kwp4lo5h7g7m4f5x2zjfvazfnlzbyxcgg3rtrtnbjt5rtmaa4rvljvcq3h4n4w4vuzrjmoffi5gt5swlqhqcdqdg4ovbz3d6"}}"#,
        r#"{"a":{"$link":"bafkqaaa"}}"#,
        r#"{"a":{"__proto__":{}}}"#,
        r#"{"a":{"$link":"bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"}}"#,
        r#"{"a":{"$bytes":"?"}}"#, r#"{"a":{"$bytes":"a"}}"#, r#"{"a":{"$bytes":"aGk=="}}"#, r#"{"a":{"$bytes":[1]}}"#,
        r#"{"a":{"$bytes":"aGk","b":1}}"#, r#"{"a":{"$bytes":"a-_k"}}"#,
        r#"{"a":1,"a":2}"#,
    ]
    .map(str::to_owned)
    .to_vec();
    records.push(format!(r#"{{"a":{{"$link":"{raw}","b":1}}}}"#));
    records.push(format!(r#"{{"a":{{"$link":"{}"}}}}"#, "b".repeat(10_000)));
    records.push(format!(r#"{{"a":{{"cid":"{raw}","mimeType":"image/png"}}}}"#));
    records.push(format!(
        r#"{{"a":{{"$type":"blob","ref":{{"$link":"{raw}"}},"mimeType":"image/png","size":"7"}}}}"#
    ));
    records.push(format!(
        r#"{{"a":{{"$type":"blob","ref":{{"$link":"{raw}"}},"mimeType":"image/png","size":7}}}}"#
    ));
    records.extend([nested(33), nested(41), nested(10_000)]);
    records.push(format!("{{\"a\":[{}0]}}", "0,".repeat(131_072)));
    records.push(format!("{{\"{}\":1}}", "k".repeat(8_193)));
    for invalid in vector_cases("data-model/data-model-invalid.json") {
        records.push(invalid.to_string());
    }
    for record in records {
        let case: String = record.chars().take(120).collect();
        assert_refused(&send(&app, &alice, &record).await, &case);
    }
    untouched.assert(&app).await;
}

fn vector_cases(file: &str) -> Vec<Value> {
    let text = vector_file(&format!("atproto/{file}")).unwrap_or_else(|| "[]".to_owned());
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    cases.into_iter().map(|case| case["json"].clone()).collect()
}

#[tokio::test]
async fn odd_records_within_the_data_model_are_kept_as_they_are() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let mut records: Vec<Value> = [
        "{}",
        r#"{"a":9007199254740991,"b":-9007199254740991}"#,
        r#"{"constructor":{"prototype":2}}"#,
        r#"{"a":{"$bytes":""},"b":{"$bytes":"aGk"}}"#,
        r#"{"é":1,"é":2}"#,
        r#"{"a":"\u0000\u001f😀"}"#,
        r#"{"":{"":[[],{}]}}"#,
        r#"{"a":{"$type":"com.example.other","$other":[null]}}"#,
        r#"{"a":{"$link":"bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"}}"#,
    ]
    .map(|text| serde_json::from_str(text).unwrap())
    .to_vec();
    records.push(serde_json::from_str(&nested(32)).unwrap());
    records.extend(
        vector_cases("data-model/data-model-valid.json")
            .into_iter()
            .filter(|record| !record.to_string().contains(".0")),
    );
    for mut record in records {
        record["$type"] = json!(NOTE);
        let written = alice.put(NOTE, "odd", &record).await;
        assert_eq!(
            written["cid"].as_str().unwrap(),
            cid_of(&record).to_string(),
            "{record}"
        );
        let params = [("repo", alice.did.as_str()), ("collection", NOTE), ("rkey", "odd")];
        let read = app.api.query("com.atproto.repo.getRecord", &params).await.ok();
        assert_eq!(cid_of(&read["value"]), cid_of(&record));
    }
    // Integers may be written as floats.
    send(&app, &alice, r#"{"a":1.0,"b":-0.0}"#).await.ok();
    verify_repo(&alice.export().await, &alice.did, &app.plc.signing_key(&alice.did));
}

#[tokio::test]
async fn swaps_and_duplicates_are_refused() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let record = json!({"text": "x"});
    let old_head = alice.head().await.0;
    let first = alice.create(NOTE, "here", &record).await;
    let here = first["cid"].as_str().unwrap().to_owned();
    let other = Cid::of_dag_cbor(b"other").to_string();
    let untouched = Untouched::of(&app, &alice).await;
    let call = async |method: &str, rkey: &str, extra: Value| {
        let mut input = alice.write(NOTE, rkey, &json!({"text": "y"}));
        input
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        alice.call(&format!("com.atproto.repo.{method}"), &input).await
    };
    call("createRecord", "here", json!({}))
        .await
        .refused(400, "InvalidRequest");
    for swap in [
        json!({"swapCommit": old_head.to_string()}),
        json!({"swapCommit": other}),
    ] {
        for method in ["createRecord", "putRecord", "deleteRecord"] {
            let rkey = if method == "createRecord" { "new" } else { "here" };
            call(method, rkey, swap.clone()).await.refused(400, "InvalidSwap");
        }
    }
    call("putRecord", "here", json!({"swapRecord": other}))
        .await
        .refused(400, "InvalidSwap");
    call("putRecord", "here", json!({"swapRecord": null}))
        .await
        .refused(400, "InvalidSwap");
    call("putRecord", "absent", json!({"swapRecord": here}))
        .await
        .refused(400, "InvalidSwap");
    call("deleteRecord", "here", json!({"swapRecord": other}))
        .await
        .refused(400, "InvalidSwap");
    for swap in ["swapCommit", "swapRecord"] {
        assert_refused(&call("putRecord", "here", json!({swap: "no cid"})).await, swap);
        assert_refused(&call("putRecord", "here", json!({swap: 7})).await, swap);
    }
    assert_eq!(
        call("deleteRecord", "absent", json!({})).await.ok(),
        json!({}),
        "deleting nothing is no error"
    );
    call("deleteRecord", "here", json!({"swapRecord": null}))
        .await
        .refused(400, "InvalidRequest");
    assert_eq!(
        alice.put(NOTE, "here", &record).await.get("commit"),
        None,
        "the same record again is no change"
    );
    let stale = json!({"swapCommit": other});
    assert_eq!(call("deleteRecord", "absent", stale.clone()).await.ok(), json!({}));
    let mut again = stale;
    again["record"] = record.clone();
    assert_eq!(
        call("putRecord", "here", again).await.ok().get("commit"),
        None,
        "what changes nothing needs no swap"
    );
    untouched.assert(&app).await;
    let head = alice.head().await.0.to_string();
    call("putRecord", "here", json!({"swapRecord": here, "swapCommit": head}))
        .await
        .ok();
    call("putRecord", "new", json!({"swapRecord": null})).await.ok();
}

#[tokio::test]
async fn writes_are_applied_as_a_whole_or_not_at_all() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    alice.create(NOTE, "here", &json!({"text": "x"})).await;
    let untouched = Untouched::of(&app, &alice).await;
    let create = |rkey: &str| create_write(NOTE, rkey, &json!({"text": rkey}));
    let with = |write: Value| vec![create("a"), create("b"), write];
    let large: Vec<Value> = (0..200)
        .map(|index| create_write(NOTE, &format!("r{index}"), &json!({"text": "y".repeat(4_800)})))
        .collect();
    let kind = |name: &str| format!("com.atproto.repo.applyWrites#{name}");
    let cases: Vec<(&str, Vec<Value>)> = vec![
        (
            "201 writes",
            (0..201).map(|index| create(&format!("r{index}"))).collect(),
        ),
        ("1 MB of writes in JSON", [large.clone(), large].concat()),
        ("the same key twice", with(create("a"))),
        ("a key that is there", with(create("here"))),
        (
            "update of nothing",
            with(json!({"$type": kind("update"), "collection": NOTE, "rkey": "c", "value": {}})),
        ),
        (
            "update without rkey",
            with(json!({"$type": kind("update"), "collection": NOTE, "value": {}})),
        ),
        (
            "delete of nothing",
            with(json!({"$type": kind("delete"), "collection": NOTE, "rkey": "c"})),
        ),
        ("no kind", with(json!({"collection": NOTE, "rkey": "c", "value": {}}))),
        (
            "unknown kind",
            with(json!({"$type": kind("move"), "collection": NOTE, "rkey": "c", "value": {}})),
        ),
        (
            "no value",
            with(json!({"$type": kind("create"), "collection": NOTE, "rkey": "c"})),
        ),
        (
            "value of another type",
            with(create_write(NOTE, "c", &json!({"$type": "com.example.other"}))),
        ),
        ("bad rkey", with(create("a/b"))),
        ("no object", with(json!(7))),
    ];
    for (case, writes) in cases {
        assert_refused(&alice.apply(&writes).await, case);
    }
    let mut wrong =
        json!({"repo": alice.did.as_str(), "writes": [create("a")], "swapCommit": Cid::of_dag_cbor(b"x").to_string()});
    alice
        .call("com.atproto.repo.applyWrites", &wrong)
        .await
        .refused(400, "InvalidSwap");
    wrong["writes"] = json!({"a": 1});
    assert_refused(
        &alice.call("com.atproto.repo.applyWrites", &wrong).await,
        "writes that are no list",
    );
    untouched.assert(&app).await;
}

#[tokio::test]
async fn batches_that_change_nothing_make_valid_commits() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    alice.create(NOTE, "here", &json!({"text": "x"})).await;
    let delete = json!({"$type": "com.atproto.repo.applyWrites#delete", "collection": NOTE, "rkey": "a"});
    for writes in [vec![], vec![create_write(NOTE, "a", &json!({"text": "a"})), delete]] {
        let before = alice.head().await;
        alice.apply(&writes).await.ok();
        assert_ne!(alice.head().await, before);
    }
    let mut verifier = StreamVerifier::new(&app.plc);
    verifier.read_up_to(&mut app.firehose(Some(0)).await, &alice).await;
    assert_eq!(verifier.repos[&alice.did].records.len(), 1);
}

#[tokio::test]
async fn a_chosen_record_key_is_no_slur() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let rkey = "k1ke";
    let write = alice.write(NOTE, rkey, &json!({}));
    let apply = json!({"repo": alice.did, "writes": [create_write(NOTE, rkey, &json!({}))]});
    for (method, input) in [("createRecord", &write), ("putRecord", &write), ("applyWrites", &apply)] {
        let answer = alice.call(&format!("com.atproto.repo.{method}"), input).await;
        let message = answer.refused(400, "InvalidRequest");
        assert_eq!(message, "Unacceptable slur in record key", "{method}");
    }
    alice.call("com.atproto.repo.deleteRecord", &write).await.ok();
    alice.create(NOTE, "kikelomo", &json!({})).await;
}
