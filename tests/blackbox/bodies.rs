//! Bodies that are no JSON object, too long, or compressed to be too long (catalogue A).

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::harness::ADMIN_PASSWORD;
use crate::http_framing::exchange;
use crate::untouched::{Untouched, assert_refused, refuse_all};
use crate::{Answer, TestApp};

const CREATE: &str = "com.atproto.repo.createRecord";

#[tokio::test]
async fn bodies_that_are_no_json_object_are_refused() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let untouched = Untouched::of(&app, &alice).await;
    let good = alice.write("com.example.note", "a", &json!({"text": "~"})).to_string();
    let deep = |open: &str, close: &str, levels: usize| {
        let record = format!("{}1{}", open.repeat(levels), close.repeat(levels));
        good.replace("{\"text\":\"~\"}", &format!("{{\"a\":{record}}}"))
            .into_bytes()
    };
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let duplicate = good.replacen('{', &format!("{{\"repo\":\"{}\",", alice.did), 1);
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("half an object", b"{".to_vec()),
        ("an array", b"[]".to_vec()),
        ("a string", b"\"x\"".to_vec()),
        ("null", b"null".to_vec()),
        ("nothing", Vec::new()),
        ("a byte order mark", [b"\xef\xbb\xbf", good.as_bytes()].concat()),
        ("UTF-16", utf16),
        (
            "no UTF-8",
            good.replace('~', "\u{1}")
                .into_bytes()
                .iter()
                .map(|byte| if *byte == 1 { 0xff } else { *byte })
                .collect(),
        ),
        ("a raw NUL", good.replace('~', "\0").into_bytes()),
        ("duplicate keys", duplicate.into_bytes()),
        (
            "duplicate keys within",
            good.replace("\"text\":\"~\"", "\"text\":\"~\",\"text\":\"y\"")
                .into_bytes(),
        ),
        ("100,000 arrays", deep("[", "]", 100_000)),
        ("100,000 objects", deep("{\"a\":", "}", 100_000)),
        ("two values", format!("{good}{good}").into_bytes()),
        (
            "too many bytes",
            good.replace('~', &"x".repeat(1_000_001 - good.len() + 1)).into_bytes(),
        ),
    ];
    let json = |body| {
        app.api
            .post(CREATE)
            .bearer_auth(&alice.access)
            .header("content-type", "application/json")
            .body(body)
    };
    refuse_all(
        bodies
            .into_iter()
            .map(|(case, body)| (case.to_owned(), json(body)))
            .collect(),
    )
    .await;
    let types = [
        "",
        "text/plain",
        "application/json; charset=utf-16",
        "multipart/form-data; boundary=x",
        "application/cbor",
    ];
    let typed = |media: &str| {
        let request = app.api.post(CREATE).bearer_auth(&alice.access).body(good.clone());
        (
            format!("type {media:?}"),
            if media.is_empty() {
                request
            } else {
                request.header("content-type", media)
            },
        )
    };
    refuse_all(types.into_iter().map(typed).collect()).await;
    let encodings = ["br", "zstd", "gzip, gzip", "foo"];
    let encoded = |name: &str| {
        (
            format!("encoding {name}"),
            json(good.clone().into_bytes()).header("content-encoding", name),
        )
    };
    refuse_all(encodings.into_iter().map(encoded).collect()).await;
    untouched.assert(&app).await;
}

#[tokio::test]
async fn whoever_sends_too_much_is_told_so_on_a_connection_that_goes_on() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let health = "GET /xrpc/_health HTTP/1.1\r\nHost: pds.test\r\nConnection: close\r\n\r\n";
    let post = |length: usize| {
        format!(
            "POST /xrpc/{CREATE} HTTP/1.1\r\nHost: pds.test\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
        )
    };
    for (head, status) in [
        ("\r\n", "401"),
        (&format!("Authorization: Bearer {}\r\n\r\n", alice.access), "413"),
    ] {
        for length in [1_000_001, 5_000_000] {
            let bytes = [
                post(length).as_bytes(),
                head.as_bytes(),
                &vec![b' '; length],
                health.as_bytes(),
            ]
            .concat();
            let answers = exchange(&app.api, &bytes).await;
            assert!(
                answers.starts_with(&format!("HTTP/1.1 {status} ")),
                "{length} bytes: {answers:.100}"
            );
            assert!(
                answers.contains("HTTP/1.1 200 OK"),
                "the next request is answered: {answers}"
            );
        }
        let answer = exchange(&app.api, format!("{}{head}", post(1 << 30)).as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(
            answer.contains("connection: close"),
            "nobody waits for a gigabyte: {answer}"
        );
    }
}

#[tokio::test]
async fn compressed_bodies_are_bounded_by_what_they_decode_to() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let untouched = Untouched::of(&app, &alice).await;
    for megabytes in [1, 200] {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(b"{\"identifier\":\"").unwrap();
        for _ in 0..megabytes {
            encoder.write_all(&vec![b'a'; 1 << 20]).unwrap();
        }
        let bomb = encoder.finish().unwrap();
        let request = app
            .api
            .post("com.atproto.server.createSession")
            .header("content-type", "application/json");
        let answer = Answer::to(request.header("content-encoding", "gzip").body(bomb))
            .await
            .unwrap();
        answer.refused(413, "PayloadTooLargeError");
    }
    let garbage = app
        .api
        .post(CREATE)
        .bearer_auth(&alice.access)
        .header("content-type", "application/json");
    let answer = Answer::to(garbage.header("content-encoding", "gzip").body("no gzip at all"))
        .await
        .unwrap();
    assert_refused(&answer, "broken gzip");
    untouched.assert(&app).await;
}

#[tokio::test]
async fn fields_that_may_be_left_out_have_a_type_too() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let did = alice.did.as_str();
    let letter = json!({"recipientDid": did, "senderDid": did, "content": "hello"});
    let report = json!({
        "reasonType": "com.atproto.moderation.defs#reasonSpam",
        "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": did},
    });
    let new = app.sign_up("bob").await;
    for (nsid, mut input, field) in [
        ("admin.disableAccountInvites", json!({"account": did}), "note"),
        ("admin.enableAccountInvites", json!({"account": did}), "note"),
        ("admin.sendEmail", letter, "comment"),
        ("moderation.createReport", report.clone(), "reason"),
        ("moderation.createReport", report, "modTool"),
        ("server.createAccount", new.clone(), "verificationCode"),
        ("server.createAccount", new, "verificationPhone"),
    ] {
        input[field] = json!(7);
        let request = app.api.post(&format!("com.atproto.{nsid}")).json(&input);
        let request = match nsid.split_once('.') {
            Some(("admin", _)) => request.basic_auth("admin", Some(ADMIN_PASSWORD)),
            Some(("moderation", _)) => request.bearer_auth(&alice.access),
            _ => request,
        };
        let message = Answer::to(request).await.unwrap().refused(400, "InvalidRequest");
        assert!(message.ends_with(&format!("$.{field}")), "{nsid}: {message}");
    }
}

#[tokio::test]
async fn half_an_emoji_is_stored_as_the_replacement_character() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let body = alice.write("com.example.note", "a", &json!({"text": "~"})).to_string();
    let request = app
        .api
        .post(CREATE)
        .bearer_auth(&alice.access)
        .header("content-type", "application/json")
        .header("content-encoding", "");
    let answer = Answer::to(request.body(body.replace('~', r"cut \ud83d")))
        .await
        .unwrap();
    // The reference's CID of `cut \u{fffd}`, which it makes of that.
    let cid = "bafyreiem4izian2w6er6rktksi6soajotnamo64vywswovbtyydz3tpzuy";
    assert_eq!(answer.ok()["cid"], cid);
}

#[tokio::test]
async fn no_bytes_of_json_are_no_fields() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let empty = |nsid| {
        app.api
            .post(nsid)
            .bearer_auth(&alice.access)
            .header("content-type", "application/json")
            .header("content-length", "0")
    };
    let answer = Answer::to(empty(CREATE)).await.unwrap();
    assert!(answer.refused(400, "InvalidRequest").contains("repo"));
    let answer = Answer::to(empty("com.atproto.server.deactivateAccount")).await.unwrap();
    answer.ok();
    assert_eq!(alice.session().await.ok()["status"], "deactivated");
}
