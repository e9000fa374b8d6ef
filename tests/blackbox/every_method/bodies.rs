//! Other verbs, and bodies of another kind.

use reqwest::Method;

use super::table::Takes;
use super::{request, try_every_method};

#[tokio::test]
async fn other_verbs_and_bodies_of_another_kind_are_refused() {
    const INVALID: &[&str] = &["InvalidRequest"];
    let (_app, callers) = try_every_method(async |app, callers, findings, (nsid, who, takes)| {
        let by_caller = |request| callers.authorize(who, request);
        let other_verb = match takes {
            Takes::Parameters(_) => app.api.post(nsid),
            Takes::Nothing | Takes::Input(_) | Takes::Bytes(_) => app.api.get(nsid, &[]),
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
            let request = request(app, nsid, takes).header("content-type", media).body(body);
            by_caller(request)
        };
        match takes {
            Takes::Parameters(_) | Takes::Nothing => {
                let case = format!("{nsid} with a body");
                findings
                    .expect(case, typed("application/json", b"{}"), 400, INVALID)
                    .await;
            }
            Takes::Bytes(expected) => {
                let untyped = by_caller(app.api.post(nsid).body("bytes"));
                findings
                    .expect(format!("{nsid} with a body of no type"), untyped, 400, INVALID)
                    .await;
                for media in ["application/json", "x"] {
                    let is_any = expected == "*/*" && media.contains('/');
                    if !is_any {
                        let case = format!("{nsid} with {media}");
                        findings.expect(case, typed(media, b"{}"), 400, INVALID).await;
                    }
                }
                let coded = typed(expected, b"{}").header("content-encoding", "foo");
                let case = format!("{nsid} in an unknown encoding");
                findings.expect(case, coded, 415, &["UnsupportedMediaType"]).await;
            }
            Takes::Input(_) => {
                let bodies: [(&str, &'static [u8]); 8] = [
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
                let limit = if nsid.starts_with("com.atproto.repo.") {
                    1_000_000
                } else {
                    150 * 1024
                };
                let long = format!("{{\"x\":\"{}\"}}", "x".repeat(limit));
                let long = app.api.post(nsid).header("content-type", "application/json").body(long);
                let case = format!("{nsid} with a long body");
                findings
                    .expect(case, by_caller(long), 413, &["PayloadTooLargeError"])
                    .await;
            }
        }
    })
    .await;
    callers.account.session().await.ok();
}
