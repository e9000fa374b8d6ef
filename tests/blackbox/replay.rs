//! The whole firehose of a test's server, read once more when the test is over (catalogue L6).

use atproto_data::{Cid, Did};
use serde_json::Value;

use crate::firehose::StreamVerifier;
use crate::{Api, Firehose, Plc};

/// Follows the firehose from its beginning to the heads of all active repos, which must have the records that it told of.
pub(crate) async fn replay(api: &Api, plc: &Plc) {
    let heads = active_heads(api).await;
    let mut verifier = StreamVerifier::new(plc);
    let mut firehose = Firehose::connect(&api.address(), Some("0")).await;
    for (did, head) in &heads {
        while !verifier.is_at(did, *head) {
            verifier.accept(&firehose.frame().await);
        }
    }
    for (did, _) in &heads {
        let car = api.query("com.atproto.sync.getRepo", &[("did", did.as_str())]).await;
        verifier.compare(did, &car.bytes());
    }
}

/// The active repos with their heads.
async fn active_heads(api: &Api) -> Vec<(Did, Cid)> {
    let mut heads = Vec::new();
    let mut cursor = String::new();
    loop {
        let params = [("limit", "1000"), ("cursor", cursor.as_str())];
        let page = api.query("com.atproto.sync.listRepos", &params).await.ok();
        for repo in page["repos"].as_array().unwrap() {
            if repo["active"] == true {
                heads.push((text(repo, "did").parse().unwrap(), text(repo, "head").parse().unwrap()));
            }
        }
        match page["cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return heads,
        }
    }
}

fn text<'a>(repo: &'a Value, name: &str) -> &'a str {
    repo[name].as_str().unwrap()
}
