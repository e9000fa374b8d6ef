#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, Method};
use tokio::net::TcpListener;
use tokio::time::{advance, pause, resume};

use super::*;
use crate::clock::SystemClock;
use crate::config::Upstream;
use crate::identity::{DidDocumentsSettings, PlcClient};
use crate::outbound::{Reach, SystemDns};

/// Passes calls on to an AppView at this address.
fn appview(url: String) -> AppView {
    let did: Did = "did:web:appview.test".parse().unwrap();
    let settings = AppViewSettings {
        appview: Some(Upstream { url, did: did.clone() }),
        moderation_service: None,
        report_service: None,
        proxy: ProxyConfig {
            allow_http2: false,
            headers_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            max_response_bytes: 1_000_000,
            max_retries: 0,
            prefer_compressed: false,
        },
        images: ImageUrls {
            pattern: None,
            own_url: "http://pds.test".to_owned(),
        },
        own_did: "did:web:pds.test".parse().unwrap(),
        own_url: "http://pds.test".to_owned(),
    };
    let guarded = GuardedClient::new(Reach::Public, Arc::new(SystemDns::new(&[]).unwrap())).unwrap();
    let plc = Arc::new(PlcClient::new("http://plc.test", Arc::default()).unwrap());
    let resolution = DidDocumentsSettings {
        stale_ttl: Duration::from_secs(1),
        max_ttl: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
    };
    let dids = DidDocuments::new(plc, guarded.clone(), Arc::new(SystemClock), resolution);
    AppView::new(settings, dids, guarded).unwrap()
}

async fn call(appview: &AppView) -> bool {
    let service = appview.configured(appview.appview().unwrap());
    let call = Outgoing {
        verb: Method::GET,
        nsid: &"com.example.method".parse().unwrap(),
        query: None,
        headers: HeaderMap::new(),
        token: None,
        caller: None,
    };
    appview.call(&service.unwrap(), &call).await.is_ok()
}

#[tokio::test]
async fn an_appview_is_down_after_a_minute_of_failures_until_it_answers_again() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let appview = appview(format!("http://{address}"));
    for _ in 0..4 {
        assert!(!call(&appview).await && !appview.is_down());
        pause();
        advance(Duration::from_secs(20)).await;
        resume();
    }
    assert!(!call(&appview).await && appview.is_down());
    appview.probe().await;
    assert!(appview.is_down());

    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new()).await.unwrap() });
    appview.probe().await;
    assert!(!appview.is_down(), "404 is an answer");
}
