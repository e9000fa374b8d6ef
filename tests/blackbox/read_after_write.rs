//! What an account just wrote is there at once, although the AppView has not seen it yet.

use std::io::Write as _;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{AppView, Behaviour};
use crate::proxy::server;
use crate::{Account, Answer, TestApp};

const TIMELINE: &str = "app.bsky.feed.getTimeline";
const AUTHOR_FEED: &str = "app.bsky.feed.getAuthorFeed";
const LIKES: &str = "app.bsky.feed.getActorLikes";
const THREAD: &str = "app.bsky.feed.getPostThread";
const PROFILE: &str = "app.bsky.actor.getProfile";
const PROFILES: &str = "app.bsky.actor.getProfiles";
const POST: &str = "app.bsky.feed.post";
const LAG: &str = "atproto-upstream-lag";
const OTHER: &str = "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb";

/// A server, its AppView and an account that has posted `p0`, up to which the AppView has seen it.
struct Stage {
    appview: AppView,
    app: TestApp,
    alice: Account,
    /// The rev up to which the AppView has seen alice's repo.
    seen: String,
}

impl Stage {
    async fn set() -> Stage {
        let appview = AppView::start().await;
        let cdn = "https://cdn.example.com/%s/%s/%s";
        let app = server(&appview, &[("PDS_BSKY_APP_VIEW_CDN_URL_PATTERN", cdn)]).await;
        let alice = app.account("alice").await;
        alice
            .put("app.bsky.actor.profile", "self", &json!({"displayName": "Alice"}))
            .await;
        alice.create(POST, &tid("pa"), &post("old")).await;
        let seen = alice.head().await.1.to_string();
        Stage {
            appview,
            app,
            alice,
            seen,
        }
    }

    fn uri(&self, rkey: &str) -> String {
        format!("at://{}/{POST}/{}", self.alice.did, tid(rkey))
    }

    /// An answer of the AppView that it has not brought up to date.
    fn says(&self, nsid: &str, body: &Value) {
        self.appview.says(nsid, &self.seen, body);
    }

    /// Posts; returns what `createRecord` answers.
    async fn post(&self, name: &str, record: &Value) -> Value {
        self.alice.create(POST, &tid(name), record).await
    }

    /// What the account gets, and whether the AppView is said to lag.
    async fn ask(&self, nsid: &str, params: &[(&str, &str)]) -> (Value, bool) {
        let answer = self.alice.query(nsid, params).await;
        let lags = answer.headers.contains_key(LAG);
        (answer.ok(), lags)
    }

    /// A blob reference that a record may hold.
    async fn blob(&self) -> Value {
        let upload = self
            .app
            .api
            .post("com.atproto.repo.uploadBlob")
            .bearer_auth(&self.alice.access);
        let png = b"\x89PNG\r\n\x1a\n0000".to_vec();
        let upload = upload.header("content-type", "image/png").body(png);
        Answer::to(upload).await.unwrap().ok()["blob"].clone()
    }
}

/// The rkey of a post with a name of at most 12 letters: rkeys of posts are TIDs.
fn tid(name: &str) -> String {
    format!("3{name:2<12}")
}

fn letter(number: usize) -> char {
    ('a'..='z').nth(number).unwrap()
}

fn post(text: &str) -> Value {
    json!({"text": text, "createdAt": "2026-01-01T00:00:00.000Z"})
}

fn reply(text: &str, root: &str, parent: &str) -> Value {
    let cid = "bafyreidexj7uphrejptmovciauxfyxoigs2pylxegnzpruduihgpyqczw4";
    let mut reply = post(text);
    reply["reply"] = json!({"root": {"uri": root, "cid": cid}, "parent": {"uri": parent, "cid": cid}});
    reply
}

/// An item of a feed: a post of somebody's, seen by the AppView at a time.
fn item(author: &str, rkey: &str, indexed_at: &str) -> Value {
    json!({"post": {
        "uri": format!("at://{author}/{POST}/{}", tid(rkey)),
        "cid": "x",
        "author": {"did": author, "handle": "somebody.test", "displayName": "Before"},
        "record": {"$type": POST, "text": "x", "createdAt": indexed_at},
        "indexedAt": indexed_at,
    }})
}

/// The names of a feed's posts.
fn rkeys(answer: &Value) -> Vec<&str> {
    let feed = answer["feed"].as_array().unwrap();
    feed.iter()
        .map(|item| {
            let rkey = item["post"]["uri"].as_str().unwrap().rsplit('/').next().unwrap();
            rkey[1..].trim_end_matches('2')
        })
        .collect()
}

#[tokio::test]
async fn new_posts_are_in_the_timeline_at_their_time() {
    let stage = Stage::set().await;
    let alice = stage.alice.did.as_str();
    let (early, late) = ("2020-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z");
    stage.says(
        TIMELINE,
        &json!({"feed": [item(OTHER, "late", late), item(OTHER, "early", early)], "cursor": "c"}),
    );
    let (answer, lags) = stage.ask(TIMELINE, &[]).await;
    assert_eq!((rkeys(&answer), lags), (vec!["late", "early"], false), "nothing is new");

    stage.post("pb", &post("one")).await;
    stage.alice.create("app.bsky.feed.like", "3jzfcijpj2z2a", &json!({
        "subject": {"uri": stage.uri("pa"), "cid": "bafyreidexj7uphrejptmovciauxfyxoigs2pylxegnzpruduihgpyqczw4"},
        "createdAt": "2026-01-01T00:00:00.000Z",
    })).await;
    let (cid, p2) = {
        let created = stage.post("pc", &post("two")).await;
        (created["cid"].clone(), created["uri"].clone())
    };
    let (answer, lags) = stage.ask(TIMELINE, &[]).await;
    assert_eq!((rkeys(&answer), lags), (vec!["late", "pc", "pb", "early"], true));
    assert_eq!(answer["cursor"], "c");
    let view = &answer["feed"][1]["post"];
    assert_eq!((&view["uri"], &view["cid"]), (&p2, &cid));
    assert_eq!(
        view["author"],
        json!({"did": alice, "handle": "alice.test", "displayName": "Alice"})
    );
    assert_eq!(view["record"]["text"], "two");
    for count in ["likeCount", "replyCount", "repostCount", "quoteCount"] {
        assert_eq!(view[count], 0, "{count}");
    }
    // Older pages, pages that end after it, and what the AppView already shows stay as they are.
    let (page, _) = stage.ask(TIMELINE, &[("cursor", "c")]).await;
    assert_eq!(rkeys(&page), ["late", "early"]);
    stage.says(TIMELINE, &json!({"feed": [item(OTHER, "late", late)]}));
    assert_eq!(rkeys(&stage.ask(TIMELINE, &[]).await.0), ["late"]);
    stage.says(
        TIMELINE,
        &json!({"feed": [item(alice, "pc", "2021-01-01T00:00:00.000Z"), item(OTHER, "early", early)]}),
    );
    assert_eq!(rkeys(&stage.ask(TIMELINE, &[]).await.0), ["pb", "pc", "early"]);
    stage.says(TIMELINE, &json!({"feed": []}));
    assert_eq!(rkeys(&stage.ask(TIMELINE, &[]).await.0), ["pc", "pb"]);
    // What was deleted again is not shown, and once the AppView has caught up nothing is done.
    stage.alice.delete(POST, &tid("pb")).await;
    assert_eq!(rkeys(&stage.ask(TIMELINE, &[]).await.0), ["pc"]);
    let head = stage.alice.head().await.1.to_string();
    stage.appview.says(TIMELINE, &head, &json!({"feed": []}));
    assert_eq!(stage.ask(TIMELINE, &[]).await, (json!({"feed": []}), false));
}

#[tokio::test]
async fn at_most_ten_posts_are_added_and_invalid_ones_are_not() {
    let stage = Stage::set().await;
    for (rkey, record) in [
        ("notext", json!({"createdAt": "2026-01-01T00:00:00.000Z"})),
        (
            "oddembed",
            json!({"text": "x", "createdAt": "2026-01-01T00:00:00.000Z", "embed": {"$type": "app.bsky.embed.images", "images": 1}}),
        ),
    ] {
        let mut input = stage.alice.write(POST, &tid(rkey), &record);
        input["validate"] = json!(false);
        stage.alice.call("com.atproto.repo.createRecord", &input).await.ok();
    }
    stage.says(TIMELINE, &json!({"feed": []}));
    assert_eq!(stage.ask(TIMELINE, &[]).await, (json!({"feed": []}), false));
    for number in 0..12 {
        stage.post(&format!("n{}", letter(number)), &post("x")).await;
    }
    let (answer, _) = stage.ask(TIMELINE, &[]).await;
    let expected: Vec<String> = (2..12).rev().map(|number| format!("n{}", letter(number))).collect();
    assert_eq!(rkeys(&answer), expected);
}

#[tokio::test]
async fn answers_that_cannot_be_brought_up_to_date_stay_as_they_are() {
    let stage = Stage::set().await;
    stage.post("pb", &post("one")).await;
    let rev = |rev: &str| {
        vec![
            ("content-type", "application/json".to_owned()),
            ("atproto-repo-rev", rev.to_owned()),
        ]
    };
    let gzip = {
        let mut headers = rev(&stage.seen);
        headers.push(("content-encoding", "br".to_owned()));
        headers
    };
    let html = vec![
        ("content-type", "text/html".to_owned()),
        ("atproto-repo-rev", stage.seen.clone()),
    ];
    let feed = json!({"feed": []}).to_string();
    let deep = "[".repeat(100_000);
    for (headers, body) in [
        // Not a rev, a rev of another time, another server's: nobody knows what is missing.
        (vec![("content-type", "application/json".to_owned())], feed.as_str()),
        (rev("x"), &feed),
        (rev("2222222222222"), &feed),
        (rev("3jzzzzzzzzz2z"), &feed),
        (rev("jzzzzzzzzzzzz"), &feed),
        (html, &feed),
        (gzip, &feed),
        (rev(&stage.seen), "{\"feed\": ["),
        (rev(&stage.seen), &deep),
        (rev(&stage.seen), ""),
    ] {
        stage
            .appview
            .behaves(TIMELINE, Behaviour::Say(200, headers.clone(), body.as_bytes().to_vec()));
        let answer = stage.alice.query(TIMELINE, &[]).await;
        assert!(!answer.headers.contains_key(LAG), "{headers:?}");
        assert_eq!(answer.bytes(), body.as_bytes(), "{headers:?}");
    }
    // JSON of another shape goes through, too.
    for body in [
        json!([]),
        json!("x"),
        json!({"feed": 1}),
        json!({"feed": [1, {"post": 2}], "thread": 3, "profiles": {}, "did": 4}),
    ] {
        for (nsid, params) in [
            (TIMELINE, vec![]),
            (AUTHOR_FEED, vec![("actor", "alice.test")]),
            (LIKES, vec![("actor", "alice.test")]),
            (THREAD, vec![("uri", "at://alice.test/app.bsky.feed.post/a")]),
            (PROFILE, vec![("actor", "alice.test")]),
            (PROFILES, vec![("actors", "alice.test")]),
        ] {
            stage.says(nsid, &body);
            let (answer, _) = stage.ask(nsid, &params).await;
            assert!(
                answer == body || nsid == TIMELINE || nsid == AUTHOR_FEED,
                "{nsid} {body}"
            );
        }
    }
}

/// The headers of an answer in JSON that is not up to date.
fn behind(stage: &Stage) -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "application/json".to_owned()),
        ("atproto-repo-rev", stage.seen.clone()),
    ]
}

#[tokio::test]
async fn an_answer_that_is_too_large_to_be_read_stays_as_it_is() {
    let stage = Stage::set().await;
    stage.post("pb", &post("one")).await;
    for (padding, is_compressed, fits) in [
        (1_000, true, true),
        (64 << 20, true, false),
        (1 << 20, false, true),
        (4 << 20, false, false),
    ] {
        let mut body = json!({"feed": [], "padding": "x".repeat(padding)})
            .to_string()
            .into_bytes();
        let mut headers = behind(&stage);
        if is_compressed {
            body = gzip(&body);
            headers.push(("content-encoding", "gzip".to_owned()));
        }
        stage
            .appview
            .behaves(TIMELINE, Behaviour::Say(200, headers, body.clone()));
        if fits {
            assert_eq!(rkeys(&stage.ask(TIMELINE, &[]).await.0), ["pb"]);
        } else {
            let answer = stage.alice.query(TIMELINE, &[]).await;
            assert!(!answer.headers.contains_key(LAG));
            assert!(answer.bytes() == body, "{padding}");
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_of_a_service_that_an_account_names_take_no_room_of_others() {
    const LARGE: usize = 9_900_000;
    let likes = [("actor", "alice.test")];
    let stage = Stage::set().await;
    stage.post("pb", &post("one")).await;
    stage.says(TIMELINE, &json!({"feed": []}));
    let evil = AppView::start().await;
    let large = Behaviour::HangAfter(vec![b' '; LARGE]);
    evil.behaves(TIMELINE, Behaviour::With(behind(&stage), Box::new(large.clone())));
    let mut calls = JoinSet::new();
    for _ in 0..7 {
        let request = stage.app.api.get(TIMELINE, &[]).bearer_auth(&stage.alice.access);
        calls.spawn(Answer::to(request.header("atproto-proxy", evil.service("other"))));
    }
    evil.hanging(7).await;
    assert_eq!(rkeys(&stage.ask(TIMELINE, &[]).await.0), ["pb"]);
    // What there is no room for goes through as it is.
    stage
        .appview
        .behaves(LIKES, Behaviour::With(behind(&stage), Box::new(large)));
    for _ in 0..2 {
        calls.spawn(Answer::to(
            stage.app.api.get(LIKES, &likes).bearer_auth(&stage.alice.access),
        ));
    }
    stage.appview.hanging(2).await;
    let unread = stage
        .app
        .api
        .get(LIKES, &likes)
        .bearer_auth(&stage.alice.access)
        .send()
        .await;
    let begun = unread.unwrap().bytes_stream().next().await.unwrap().unwrap();
    assert!(begun.starts_with(b"  "));
    stage.appview.release();
    evil.release();
    for answer in calls.join_all().await {
        let body = answer.unwrap().bytes();
        assert_eq!((body.len(), body.ends_with(b" done")), (LARGE + 4, true));
    }
    assert_eq!(rkeys(&stage.ask(TIMELINE, &[]).await.0), ["pb"]);
}

#[tokio::test]
async fn the_accounts_own_feed_has_its_posts_and_its_new_face() {
    let stage = Stage::set().await;
    let alice = stage.alice.did.as_str();
    let early = "2020-01-01T00:00:00.000Z";
    let avatar = stage.blob().await;
    let profile = json!({"displayName": "New", "avatar": avatar});
    stage.alice.put("app.bsky.actor.profile", "self", &profile).await;
    stage.post("pb", &post("one")).await;
    stage.post("ra", &reply("re", &stage.uri("pa"), &stage.uri("pa"))).await;
    let theirs = format!("at://{OTHER}/{POST}/x");
    stage.post("rb", &reply("re", &theirs, &theirs)).await;
    let feed = json!({"feed": [item(alice, "pa", early), item(OTHER, "x", early)]});
    for nsid in [AUTHOR_FEED, LIKES] {
        stage.says(nsid, &feed);
    }
    for (actor, filter, expected) in [
        (alice, "posts_with_replies", vec!["rb", "ra", "pb", "pa", "x"]),
        ("Alice.test", "posts_no_replies", vec!["pb", "pa", "x"]),
        (alice, "posts_and_author_threads", vec!["ra", "pb", "pa", "x"]),
        (alice, "posts_with_media", vec!["pa", "x"]),
        (OTHER, "posts_with_replies", vec!["pa", "x"]),
    ] {
        let (answer, lags) = stage.ask(AUTHOR_FEED, &[("actor", actor), ("filter", filter)]).await;
        assert_eq!((rkeys(&answer), lags), (expected, true), "{actor} {filter}");
        let names: Vec<&Value> = answer["feed"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["post"]["author"]["displayName"])
            .collect();
        let (last, own) = names.split_last().unwrap();
        assert_eq!(**last, "Before");
        assert!(
            own.iter()
                .all(|name| **name == if actor == OTHER { "Before" } else { "New" })
        );
    }
    let (likes, _) = stage.ask(LIKES, &[("actor", alice)]).await;
    assert_eq!(rkeys(&likes), ["pa", "x"]);
    let author = &likes["feed"][0]["post"]["author"];
    let url = format!(
        "https://cdn.example.com/avatar/{alice}/{}",
        avatar["ref"]["$link"].as_str().unwrap()
    );
    assert_eq!(
        (&author["displayName"], &author["avatar"]),
        (&json!("New"), &json!(url))
    );
    assert_eq!(likes["feed"][1], feed["feed"][1]);
}

#[tokio::test]
async fn profile_edits_show_at_once() {
    let stage = Stage::set().await;
    let alice = stage.alice.did.as_str();
    let view = |did: &str| json!({"did": did, "handle": "a.test", "displayName": "Before", "description": "before", "avatar": "before", "followersCount": 7});
    stage.says(PROFILE, &view(alice));
    stage.says(PROFILES, &json!({"profiles": [view(OTHER), view(alice)]}));
    assert_eq!(stage.ask(PROFILE, &[("actor", alice)]).await, (view(alice), false));
    let banner = stage.blob().await;
    let profile = json!({"displayName": "New", "description": "new", "banner": banner});
    stage.alice.put("app.bsky.actor.profile", "self", &profile).await;
    let url = format!(
        "https://cdn.example.com/banner/{alice}/{}",
        banner["ref"]["$link"].as_str().unwrap()
    );
    let expected = json!({"did": alice, "handle": "a.test", "displayName": "New", "description": "new", "banner": url, "followersCount": 7});
    assert_eq!(stage.ask(PROFILE, &[("actor", alice)]).await, (expected.clone(), true));
    let (profiles, _) = stage.ask(PROFILES, &[("actors", alice), ("actors", OTHER)]).await;
    assert_eq!(profiles, json!({"profiles": [view(OTHER), expected]}));
    stage.says(PROFILE, &view(OTHER));
    assert_eq!(stage.ask(PROFILE, &[("actor", OTHER)]).await.0, view(OTHER));
}

#[tokio::test]
async fn embeds_are_shown_as_the_appview_would() {
    let stage = Stage::set().await;
    let alice = stage.alice.did.as_str();
    let blob = stage.blob().await;
    let cid = blob["ref"]["$link"].as_str().unwrap();
    let url = |preset: &str| format!("https://cdn.example.com/{preset}/{alice}/{cid}");
    let images = json!({"$type": "app.bsky.embed.images", "images": [{"image": blob, "alt": "a", "aspectRatio": {"width": 2, "height": 1}}]});
    let images_view = json!({"$type": "app.bsky.embed.images#view", "images": [
        {"thumb": url("feed_thumbnail"), "fullsize": url("feed_fullsize"), "alt": "a", "aspectRatio": {"width": 2, "height": 1}},
    ]});
    let external = |thumb: Option<&Value>| {
        let mut external = json!({"uri": "https://example.com", "title": "t", "description": "d"});
        if let Some(thumb) = thumb {
            external["thumb"] = thumb.clone();
        }
        external
    };
    let quoted = format!("at://{OTHER}/{POST}/q");
    let feed = format!("at://{OTHER}/app.bsky.feed.generator/f");
    let list = format!("at://{OTHER}/app.bsky.graph.list/l");
    let strong_ref =
        |uri: &str| json!({"uri": uri, "cid": "bafyreidexj7uphrejptmovciauxfyxoigs2pylxegnzpruduihgpyqczw4"});
    let record = |uri: &str| json!({"$type": "app.bsky.embed.record", "record": strong_ref(uri)});
    let known = json!({"posts": [{"uri": quoted, "cid": "c", "author": {"did": OTHER}, "record": {"text": "q"}, "labels": [], "embed": {"$type": "e"}, "indexedAt": "i", "likeCount": 3}]});
    stage.says("app.bsky.feed.getPosts", &known);
    stage.says(
        "app.bsky.feed.getFeedGenerators",
        &json!({"feeds": [{"uri": feed, "likeCount": 1}]}),
    );
    stage.says("app.bsky.graph.getList", &json!({"list": {"uri": list}, "items": []}));
    let quoted_view = json!({"$type": "app.bsky.embed.record#viewRecord", "uri": quoted, "cid": "c", "author": {"did": OTHER}, "value": {"text": "q"}, "labels": [], "embeds": [{"$type": "e"}], "indexedAt": "i"});
    let record_view = |view: Value| json!({"$type": "app.bsky.embed.record#view", "record": view});
    let not_found =
        |uri: &str| record_view(json!({"$type": "app.bsky.embed.record#viewNotFound", "uri": uri, "notFound": true}));
    let gone = format!("at://{OTHER}/{POST}/gone");
    let pack = format!("at://{OTHER}/app.bsky.graph.starterpack/s");
    let mut thumbnail = external(None);
    thumbnail["thumb"] = json!(url("feed_thumbnail"));
    for (number, (embed, expected)) in [
        (images.clone(), images_view.clone()),
        (
            json!({"$type": "app.bsky.embed.external", "external": external(Some(&blob))}),
            json!({"$type": "app.bsky.embed.external#view", "external": thumbnail}),
        ),
        (
            json!({"$type": "app.bsky.embed.external", "external": external(None)}),
            json!({"$type": "app.bsky.embed.external#view", "external": external(None)}),
        ),
        (record(&quoted), record_view(quoted_view.clone())),
        (record(&feed), record_view(json!({"$type": "app.bsky.feed.defs#generatorView", "uri": feed, "likeCount": 1}))),
        (record(&list), record_view(json!({"$type": "app.bsky.graph.defs#listView", "uri": list}))),
        (record(&gone), not_found(&gone)),
        // Of this the AppView is not asked.
        (record(&pack), Value::Null),
        (
            json!({"$type": "app.bsky.embed.recordWithMedia", "record": {"$type": "app.bsky.embed.record", "record": strong_ref(&quoted)}, "media": images}),
            json!({"$type": "app.bsky.embed.recordWithMedia#view", "record": record_view(quoted_view), "media": images_view}),
        ),
        (json!({"$type": "com.example.embed"}), Value::Null),
    ]
    .into_iter()
    .enumerate()
    {
        let mut record = post("x");
        record["embed"] = embed.clone();
        stage.post(&format!("e{}", letter(number)), &record).await;
        stage.says(TIMELINE, &json!({"feed": []}));
        let (answer, _) = stage.ask(TIMELINE, &[]).await;
        assert_eq!(answer["feed"][0]["post"]["embed"], expected, "{embed}");
    }
}

#[tokio::test]
async fn what_posts_quote_is_asked_for_once_and_not_waited_for_long() {
    const POSTS: &str = "app.bsky.feed.getPosts";
    let stage = Stage::set().await;
    stage.says(TIMELINE, &json!({"feed": []}));
    let quoted = |name: &str| format!("at://{OTHER}/{POST}/{name}");
    let quote = |name: &str| {
        let mut record = post("x");
        let cid = "bafyreidexj7uphrejptmovciauxfyxoigs2pylxegnzpruduihgpyqczw4";
        let strong_ref = json!({"uri": quoted(name), "cid": cid});
        record["embed"] = json!({"$type": "app.bsky.embed.record", "record": strong_ref});
        record
    };
    for name in ["qa", "qb", "qc"] {
        stage.post(name, &quote(name)).await;
    }
    let known = ["qc", "qa"].map(|name| json!({"uri": quoted(name), "record": {"text": name}}));
    stage.says(POSTS, &json!({"posts": known}));
    let (answer, _) = stage.ask(TIMELINE, &[]).await;
    let shown = |number: usize| answer["feed"][number]["post"]["embed"]["record"].clone();
    assert_eq!([&shown(0)["value"]["text"], &shown(2)["value"]["text"]], ["qc", "qa"]);
    assert_eq!(shown(1)["notFound"], true);
    let calls = stage.appview.calls();
    let asked: Vec<&Value> = calls.iter().filter(|call| call["nsid"] == POSTS).collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0]["query"].as_str().unwrap().matches("uris=").count(), 3);
    // An AppView that does not say is no reason to hide the post, nor to wait for it.
    for behaviour in [Behaviour::Say(500, Vec::new(), Vec::new()), Behaviour::Hang] {
        stage.appview.behaves(POSTS, behaviour);
        let (answer, lags) = stage.ask(TIMELINE, &[]).await;
        assert_eq!((rkeys(&answer), lags), (vec!["qc", "qb", "qa"], true));
        for item in answer["feed"].as_array().unwrap() {
            assert_eq!(item["post"].get("embed"), None);
        }
    }
    stage.appview.hanging(0).await;
}

#[tokio::test]
async fn a_quoted_post_of_ones_own_need_not_be_known_to_the_appview() {
    let stage = Stage::set().await;
    stage.says(TIMELINE, &json!({"feed": []}));
    let blob = stage.blob().await;
    let mut quoted = post("quoted");
    quoted["embed"] = json!({"$type": "app.bsky.embed.images", "images": [{"image": blob, "alt": "a"}]});
    let strong_ref = stage.post("pb", &quoted).await;
    let mut quote = post("quote");
    let strong_ref = json!({"uri": strong_ref["uri"], "cid": strong_ref["cid"]});
    quote["embed"] = json!({"$type": "app.bsky.embed.record", "record": strong_ref});
    stage.post("pc", &quote).await;
    let (answer, _) = stage.ask(TIMELINE, &[]).await;
    let (quote, quoted) = (&answer["feed"][0]["post"], &answer["feed"][1]["post"]);
    let shown = &quote["embed"]["record"];
    assert_eq!(shown["$type"], "app.bsky.embed.record#viewRecord");
    for name in ["uri", "cid", "author", "indexedAt"] {
        assert_eq!(shown[name], quoted[name], "{name}");
    }
    assert_eq!(
        (&shown["value"], &shown["embeds"][0]),
        (&quoted["record"], &quoted["embed"])
    );
    assert!(stage.appview.calls().iter().all(|call| call["nsid"] == TIMELINE));
}

#[tokio::test]
async fn a_profile_that_is_not_valid_shows_what_is_well_formed() {
    let stage = Stage::set().await;
    let odd = json!({"displayName": "Odd", "description": "x".repeat(3_000)});
    let mut input = stage.alice.write("app.bsky.actor.profile", "self", &odd);
    input["validate"] = json!(false);
    stage.alice.call("com.atproto.repo.putRecord", &input).await.ok();
    let seen = stage.alice.head().await.1.to_string();
    stage.post("pb", &post("one")).await;
    for rev in [&stage.seen, &seen] {
        stage.appview.says(TIMELINE, rev, &json!({"feed": []}));
        let (answer, _) = stage.ask(TIMELINE, &[]).await;
        assert_eq!(answer["feed"][0]["post"]["author"]["displayName"], "Odd");
    }
}

#[tokio::test]
async fn replies_are_in_their_thread() {
    let stage = Stage::set().await;
    let root = format!("at://{OTHER}/{POST}/root");
    let (p0, below) = (stage.uri("pa"), format!("at://{OTHER}/{POST}/below"));
    let part = |uri: &str, record: Value, replies: Value| json!({"$type": "app.bsky.feed.defs#threadViewPost", "post": {"uri": uri, "record": record}, "replies": replies});
    let thread = part(
        &root,
        post("root"),
        json!([
            part(&below, reply("b", &root, &root), json!([])),
            {"$type": "app.bsky.feed.defs#notFoundPost", "uri": "x", "notFound": true},
        ]),
    );
    stage.says(THREAD, &json!({"thread": thread}));
    stage.post("elsewhere", &reply("e", &p0, &p0)).await;
    let (answer, lags) = stage.ask(THREAD, &[("uri", &root)]).await;
    assert_eq!((&answer["thread"], lags), (&thread, true));
    stage.post("ra", &reply("to root", &root, &root)).await;
    stage.post("rb", &reply("to below", &root, &below)).await;
    stage.post("rc", &reply("to r2", &root, &stage.uri("rb"))).await;
    stage.post("rd", &reply("to nothing", &root, &stage.uri("gone"))).await;
    let (answer, _) = stage.ask(THREAD, &[("uri", &root)]).await;
    let uri = |part: &Value| part["post"]["uri"].as_str().unwrap_or_default().to_owned();
    let replies = &answer["thread"]["replies"];
    assert_eq!(replies.as_array().unwrap().len(), 3);
    assert_eq!([uri(&replies[0]), uri(&replies[1])], [stage.uri("ra"), below.clone()]);
    let r2 = &replies[1]["replies"][0];
    assert_eq!([uri(r2), uri(&r2["replies"][0])], [stage.uri("rb"), stage.uri("rc")]);
    assert_eq!(r2["$type"], "app.bsky.feed.defs#threadViewPost");
    // Seen from a reply in the middle, what belongs below it is there.
    stage.says(
        THREAD,
        &json!({"thread": part(&below, reply("b", &root, &root), Value::Null)}),
    );
    let (answer, _) = stage.ask(THREAD, &[("uri", &below)]).await;
    assert_eq!(uri(&answer["thread"]["replies"][0]), stage.uri("rb"));
}

#[tokio::test]
async fn a_new_post_has_a_thread_before_the_appview_knows_it() {
    let stage = Stage::set().await;
    let not_found = |rev: Option<&str>| {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.extend(rev.map(|rev| ("atproto-repo-rev", rev.to_owned())));
        let body = br#"{"error": "NotFound", "message": "Post not found"}"#.to_vec();
        stage.appview.behaves(THREAD, Behaviour::Say(400, headers, body));
    };
    stage.post("pb", &post("one")).await;
    stage.post("ra", &reply("re", &stage.uri("pb"), &stage.uri("pb"))).await;
    not_found(Some(&stage.seen));
    let by_handle = format!("at://alice.test/{POST}/{}", tid("pb"));
    for uri in [stage.uri("pb"), by_handle] {
        let (answer, lags) = stage.ask(THREAD, &[("uri", &uri)]).await;
        assert!(lags);
        let thread = &answer["thread"];
        assert_eq!(
            (&thread["post"]["uri"], &thread["post"]["record"]["text"]),
            (&json!(stage.uri("pb")), &json!("one"))
        );
        assert_eq!(thread["replies"][0]["post"]["uri"], stage.uri("ra"));
        assert_eq!(thread.get("parent"), None);
    }
    // A reply to a new post has that above it.
    let (answer, _) = stage.ask(THREAD, &[("uri", &stage.uri("ra"))]).await;
    assert_eq!(answer["thread"]["parent"]["post"]["uri"], stage.uri("pb"));
    for uri in [
        stage.uri("gone"),
        stage.uri("pa"),
        format!("at://{OTHER}/{POST}/{}", tid("pb")),
    ] {
        stage
            .alice
            .query(THREAD, &[("uri", &uri)])
            .await
            .refused(400, "NotFound");
    }
    not_found(None);
    stage
        .alice
        .query(THREAD, &[("uri", &stage.uri("pb"))])
        .await
        .refused(400, "NotFound");
}
