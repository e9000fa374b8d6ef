//! The service that proxied calls go to: it answers with a page of a feed, at once or after a while.

use std::time::Duration;

use axum::Router;
use axum::http::{Uri, header};
use bytes::Bytes;
use serde_json::json;
use tokio::net::TcpListener;

use crate::Error;
use crate::process::pause;

/// Its DID, which nobody resolves.
pub(crate) const DID: &str = "did:web:appview.test";
/// The method that it is slow at.
pub(crate) const SLOW: &str = "com.example.getSlowly";
/// Longer than any case lasts.
const A_WHILE: Duration = Duration::from_mins(11);
/// Posts on the page: about 30 KB, as much as the app gets of a timeline.
const POSTS: usize = 50;

/// Starts the service on loopback and returns its URL.
pub(crate) async fn start() -> Result<String, Error> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let page = page();
    let router = Router::new().fallback(move |uri: Uri| {
        let page = page.clone();
        async move {
            if uri.path().ends_with(SLOW) {
                pause(A_WHILE).await;
            }
            ([(header::CONTENT_TYPE, "application/json")], page)
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

fn page() -> Bytes {
    let post = |number| {
        json!({"post": {
            "uri": format!("at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.post/{number:013}"),
            "cid": "bafyreidexj7uphrejptmovciauxfyxoigs2pylxegnzpruduihgpyqczw4",
            "author": {"did": "did:plc:ewvi7nxzyoun6zhxrhs64oiz", "handle": "somebody.example.com"},
            "record": {"text": "x".repeat(200), "createdAt": "2026-01-01T00:00:00.000Z"},
            "likeCount": number,
            "indexedAt": "2026-01-01T00:00:00.000Z",
        }})
    };
    let feed: Vec<_> = (0..POSTS).map(post).collect();
    Bytes::from(json!({"feed": feed, "cursor": "more"}).to_string())
}
