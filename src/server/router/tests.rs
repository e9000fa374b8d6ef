#![expect(clippy::unwrap_used, reason = "tests")]

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::server::health::Database;
use crate::server::testing::{ALICE, router, router_in};

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// `<status> <error> <message>`.
    fn error(&self) -> String {
        let body = self.json();
        format!(
            "{} {} {}",
            self.status,
            body["error"].as_str().unwrap(),
            body["message"].as_str().unwrap()
        )
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn send_to(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    Answer {
        status,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

/// Sends `VERB path` with these headers and this body.
async fn send(line: &str, headers: &[(&str, &str)], body: &'static str) -> Answer {
    let (verb, path) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(verb).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if body.is_empty() {
        Body::empty()
    } else {
        Body::from(body)
    };
    send_to(router(), request.body(body).unwrap()).await
}

const JSON: (&str, &str) = ("content-type", "application/json");
const TOKEN: (&str, &str) = ("authorization", "Bearer alice");
const ADMIN: (&str, &str) = ("authorization", "Basic YWRtaW46YWRtaW4tcGFzcw==");

#[tokio::test]
async fn a_query_is_answered() {
    let answer = send(
        "GET /xrpc/com.example.open?limit=7",
        &[("authorization", "Foo bar")],
        "",
    )
    .await;
    assert_eq!(answer.json(), json!({"caller": null, "limit": 7, "text": null}));
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(answer.header("vary"), "Accept-Encoding");
    assert_eq!(answer.header("cache-control"), "");
    assert_eq!(answer.header("x-request-id"), "0000000000000007");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let answer = send("HEAD /xrpc/com.example.open/", &[], "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn callers_are_told_apart() {
    let mine = "GET /xrpc/com.example.mine";
    let answer = send(mine, &[TOKEN], "").await;
    assert_eq!(answer.json()["caller"], ALICE);
    assert_eq!(answer.header("cache-control"), "private");
    assert_eq!(answer.header("vary"), "Authorization, Accept-Encoding");
    let answer = send(mine, &[], "").await;
    assert_eq!(answer.error(), "401 AuthMissing Authentication Required");
    assert_eq!(answer.header("cache-control"), "private");
    assert_eq!(answer.header("vary"), "Authorization, Accept-Encoding");
    assert_eq!(
        send(mine, &[ADMIN], "").await.error(),
        "400 InvalidToken Unexpected authorization type"
    );
    let forged = [("authorization", "bearer x")];
    assert_eq!(
        send(mine, &forged, "").await.error(),
        "400 InvalidToken Token could not be verified"
    );
    let admin = "POST /xrpc/com.example.admin";
    let required = "401 AuthenticationRequired Authentication Required";
    assert_eq!(send(admin, &[JSON], "{}").await.error(), required);
    assert_eq!(send(admin, &[JSON, ADMIN], "{}").await.json()["caller"], "admin");
}

#[tokio::test]
async fn requests_are_refused_as_the_reference_refuses_them() {
    let cases = [
        (
            "GET /xrpc/com.example.unknown",
            "401 AuthMissing Authentication Required",
        ),
        ("GET /xrpc/foo", "401 AuthMissing Authentication Required"),
        ("GET /xrpc/", "400 InvalidRequest invalid xrpc path"),
        ("GET /xrpc/..%2f", "400 InvalidRequest invalid xrpc path"),
        (
            "GET /xrpc/com.example.write",
            "400 InvalidRequest Incorrect HTTP method (GET) expected POST",
        ),
        (
            "POST /xrpc/com.example.open",
            "400 InvalidRequest Incorrect HTTP method (POST) expected GET",
        ),
        (
            "PUT /xrpc/com.example.write",
            "400 InvalidRequest XRPC requests only supports GET and POST",
        ),
        (
            "GET /xrpc/com.example.subscribe",
            "426 UpgradeRequired This method is a subscription: connect to it with a WebSocket",
        ),
        (
            "GET /xrpc/com.example.open?limit=x",
            "400 InvalidRequest Invalid com.example.open params: Expected integer value type (got \"x\")",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(send(line, &[], "").await.error(), expected, "{line}");
    }
    let unknown = send("GET /xrpc/com.example.unknown", &[TOKEN], "").await;
    assert_eq!(
        unknown.error(),
        "400 InvalidRequest No service configured for com.example.unknown"
    );
    let unnamed = send("GET /xrpc/foo", &[TOKEN], "").await;
    assert_eq!(unnamed.error(), "400 InvalidRequest foo is not the name of a method");
}

#[tokio::test]
async fn bodies_are_read_after_the_caller_is_known() {
    let write = "POST /xrpc/com.example.write";
    assert_eq!(
        send(write, &[JSON, TOKEN], r#"{"text":"hi"}"#).await.json()["text"],
        "hi"
    );
    assert_eq!(
        send(write, &[JSON], "{").await.error(),
        "401 AuthMissing Authentication Required"
    );
    assert_eq!(
        send(write, &[JSON, TOKEN], "{").await.error(),
        "400 SyntaxError Unexpected end of JSON input"
    );
    let wrong = send(write, &[JSON, TOKEN], r#"{"text":5}"#).await;
    assert_eq!(
        wrong.error(),
        "400 InvalidRequest Expected string value type (got 5) at $.text"
    );
    let large = Request::post("/xrpc/com.example.write")
        .header("content-type", "application/json")
        .header("authorization", "Bearer alice")
        .body(Body::from(format!("{{\"text\":\"{}\"}}", "x".repeat(100))))
        .unwrap();
    let large = send_to(router(), large).await;
    assert_eq!(large.error(), "413 PayloadTooLargeError request entity too large");
    let unexpected = send("POST /xrpc/com.example.inputless", &[("content-length", "2")], "{}").await;
    assert_eq!(
        unexpected.error(),
        "400 InvalidRequest A request body was provided when none was expected"
    );
}

#[tokio::test]
async fn a_body_that_nothing_announces_is_missing() {
    let answer = send("POST /xrpc/com.example.write", &[JSON, TOKEN], "").await;
    assert_eq!(
        answer.error(),
        "400 InvalidRequest A request body is expected but none was provided"
    );
}

#[tokio::test]
async fn compressed_bodies_are_bounded_by_what_they_hold() {
    // {"text":"hi"}
    let small = "1f8b0800000000000203ab562a49ad2851b252cac854aa0500d8c447ca0d000000";
    let unhex = |hex: &str| -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    };
    let post = |encoding: &str, body: Vec<u8>| {
        Request::post("/xrpc/com.example.write")
            .header("content-type", "application/json")
            .header("content-encoding", encoding)
            .header("authorization", "Bearer alice")
            .body(Body::from(body))
            .unwrap()
    };
    let answer = send_to(router(), post("gzip", unhex(small))).await;
    assert_eq!(answer.json()["text"], "hi");
    for encoding in ["GZIP", "x-gzip"] {
        let answer = send_to(router(), post(encoding, unhex(small))).await;
        assert_eq!(answer.json()["text"], "hi", "{encoding}");
    }
    let parts = [gzip(r#"{"text":"two "#), gzip(r#"parts"}"#)].concat();
    let answer = send_to(router(), post("gzip", parts)).await;
    assert_eq!(answer.json()["text"], "two parts");
    let more = [unhex(small), b"more".to_vec()].concat();
    let answer = send_to(router(), post("gzip", more)).await;
    assert_eq!(answer.error(), "400 InvalidRequest The request body could not be read");
    let answer = send_to(router(), post("gzip", b"no gzip".to_vec())).await;
    assert_eq!(answer.error(), "400 InvalidRequest The request body could not be read");
    let answer = send_to(router(), post("foo", b"{}".to_vec())).await;
    assert_eq!(answer.error(), "415 UnsupportedMediaType unsupported content-encoding");
    let answer = send_to(router(), post("gzip", unhex(GZIP_OF_1000_X))).await;
    assert_eq!(answer.error(), "413 PayloadTooLargeError request entity too large");
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// `{"text":"xxx…"}` with 1,000 x.
const GZIP_OF_1000_X: &str = "1f8b0800000000000203ab562a49ad2851b252aa1805a360140c7ba0540b00965d3bd5f3030000";

#[tokio::test]
async fn large_answers_are_compressed_for_those_who_ask() {
    let answer = send("GET /xrpc/com.example.large", &[("accept-encoding", "gzip")], "").await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert_eq!(answer.header("vary"), "Accept-Encoding");
    let answer = send("GET /xrpc/com.example.large", &[], "").await;
    assert_eq!((answer.header("content-encoding"), answer.body.len()), ("", 10_002));
    let answer = send("GET /xrpc/com.example.open", &[("accept-encoding", "gzip")], "").await;
    assert_eq!(answer.header("content-encoding"), "");
}

#[tokio::test]
async fn panics_are_answered() {
    let answer = send("GET /xrpc/com.example.panics", &[], "").await;
    assert_eq!(answer.error(), "500 InternalServerError Internal Server Error");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn long_uris_are_refused() {
    let line = format!("GET /xrpc/com.example.open?a={}", "x".repeat(20_000));
    assert_eq!(send(&line, &[], "").await.status, 414);
}

#[tokio::test]
async fn preflights_allow_what_is_asked_for() {
    let asked = [
        ("origin", "https://app.test"),
        ("access-control-request-headers", "content-type,atproto-proxy"),
    ];
    for path in ["/xrpc/com.example.write", "/xrpc/_health", "/nowhere"] {
        let answer = send(&format!("OPTIONS {path}"), &asked, "").await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(
            answer.header("access-control-allow-headers"),
            "content-type,atproto-proxy"
        );
        assert_eq!(
            answer.header("access-control-allow-methods"),
            "GET,HEAD,PUT,PATCH,POST,DELETE"
        );
        assert_eq!(answer.header("access-control-max-age"), "86400");
    }
}

#[tokio::test]
async fn plain_routes_answer() {
    assert!(
        send("GET /", &[], "")
            .await
            .body
            .contains("AT Protocol Personal Data Server")
    );
    assert!(send("GET /robots.txt", &[], "").await.body.contains("Allow: /"));
    assert_eq!(send("GET /livez", &[], "").await.json(), json!({"status": "ok"}));
    assert_eq!(send("GET /readyz", &[], "").await.json(), json!({"status": "ok"}));
    assert_eq!(
        send("GET /xrpc/_health", &[], "").await.json(),
        json!({"version": "1.2.3"})
    );
    assert_eq!(send("HEAD /xrpc/_health", &[], "").await.status, 200);
    let nowhere = send("GET /nope", &[], "").await;
    assert_eq!(
        (nowhere.status, nowhere.header("content-type")),
        (404, "text/html; charset=utf-8")
    );
    let document = send("GET /.well-known/did.json", &[], "").await.json();
    assert_eq!(document["id"], "did:web:pds.test");
    assert_eq!(document["service"][0]["serviceEndpoint"], "https://pds.test");
}

#[tokio::test]
async fn health_is_reported() {
    let get = |health: Health, path: &'static str| {
        send_to(router_in(health), Request::get(path).body(Body::empty()).unwrap())
    };
    let unreadable = Health {
        database: Database::Unreadable,
        ..Health::good()
    };
    assert_eq!(get(unreadable.clone(), "/readyz").await.status, 503);
    let answer = get(unreadable.clone(), "/xrpc/_health").await;
    assert_eq!(
        (answer.status, answer.json()),
        (503, json!({"version": "1.2.3", "error": "Service Unavailable"}))
    );
    assert_eq!(get(unreadable, "/livez").await.status, 200);
    let degraded = Health {
        degraded: vec!["mail".to_owned()],
        ..Health::good()
    };
    let answer = get(degraded, "/readyz").await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"status": "degraded", "reasons": ["mail"]}))
    );
    let noted = Health {
        notes: vec!["client_addresses_hidden".to_owned()],
        ..Health::good()
    };
    let expected = json!({"status": "ok", "notes": ["client_addresses_hidden"]});
    assert_eq!(get(noted, "/readyz").await.json(), expected);
    let draining = Health {
        phase: Phase::Draining,
        ..Health::good()
    };
    assert_eq!(get(draining, "/readyz").await.json(), json!({"status": "draining"}));
}

#[tokio::test]
async fn a_server_that_migrates_says_so() {
    let get = |path: &'static str| {
        let router = not_ready(Phase::Migrating, RequestIds::starting_at(0));
        send_to(router, Request::get(path).body(Body::empty()).unwrap())
    };
    assert_eq!(get("/livez").await.status, 200);
    let answer = get("/readyz").await;
    assert_eq!((answer.status, answer.json()), (503, json!({"status": "migrating"})));
    let answer = get("/xrpc/com.example.open").await;
    assert_eq!(answer.error(), "503 NotEnoughResources The server is migrating");
    assert_eq!(answer.header("retry-after"), "5");
}

#[tokio::test]
async fn tls_check_grants_hosted_names_only() {
    let check = |query: &str| {
        let line = format!("GET /tls-check{query}");
        async move { send(&line, &[], "").await }
    };
    assert_eq!(check("?domain=alice.test").await.json(), json!({"success": true}));
    assert_eq!(check("?domain=PDS.test").await.json(), json!({"success": true}));
    let missing = "400 InvalidRequest bad or missing domain query param";
    for query in ["", "?domain=", "?domain=a.test&domain=b.test"] {
        assert_eq!(check(query).await.error(), missing, "{query}");
    }
    assert_eq!(
        check("?domain=nobody.test").await.error(),
        "404 NotFound handle not found for this domain"
    );
    let foreign = "400 InvalidRequest handles are not provided on this domain";
    assert_eq!(check("?domain=nobody.example.com").await.error(), foreign);
}

#[tokio::test]
async fn a_handle_host_has_its_did_and_no_api() {
    let at = |host: &'static str, path: &'static str| async move {
        let answer = send(&format!("GET {path}"), &[("host", host)], "").await;
        (answer.status, answer.body)
    };
    let did = "/.well-known/atproto-did";
    assert_eq!(at("alice.test", did).await, (200, ALICE.to_owned()));
    assert_eq!(at("ALICE.test:443", did).await, (200, ALICE.to_owned()));
    for host in ["bob.test", "pds.test", "127.0.0.1:2583", "alice.example.com"] {
        assert_eq!(at(host, did).await, (404, "User not found".to_owned()), "{host}");
    }
    for path in ["/", "/xrpc/com.example.open", "/.well-known/did.json"] {
        assert_eq!(at("alice.test", path).await.0, 404, "{path}");
        assert_eq!(at("pds.test", path).await.0, 200, "{path}");
        assert_eq!(at("127.0.0.1", path).await.0, 200, "{path}");
    }
    for path in ["/livez", "/readyz", "/xrpc/_health", "/tls-check?domain=alice.test"] {
        assert_eq!(at("alice.test", path).await.0, 200, "{path}");
    }
    let two = send(
        "GET /xrpc/com.example.open",
        &[("host", "pds.test"), ("host", "alice.test")],
        "",
    )
    .await;
    assert_eq!(two.error(), "400 InvalidRequest The request must name one host");
}

#[tokio::test]
async fn pages_are_on_the_hostname_only() {
    let pages = Router::new().route("/account", get(async || StatusCode::OK));
    let app = Arc::new(crate::server::testing::app(Health::good()));
    let router = build(app, &[], pages, RequestIds::starting_at(0));
    for (host, expected) in [("pds.test", 200), ("127.0.0.1", 404), ("alice.test", 404)] {
        let request = Request::get("/account")
            .header("host", host)
            .body(Body::empty())
            .unwrap();
        let answer = send_to(router.clone(), request).await;
        assert_eq!(answer.status, expected, "{host}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{host}");
    }
}
