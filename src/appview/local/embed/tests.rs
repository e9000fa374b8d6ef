#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

const POST: &str = "at://did:plc:aaaaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.post/a";

fn quote(uri: &str) -> Value {
    json!({"$type": RECORD, "record": {"uri": uri, "cid": "x"}})
}

#[test]
fn what_posts_quote_is_asked_for_at_once() {
    let uri = |kind: &str, rkey: &str| format!("at://did:plc:aaaaaaaaaaaaaaaaaaaaaaaa/app.bsky.{kind}/{rkey}");
    let uris = [
        ("feed.post", "b"),
        ("graph.list", "a"),
        ("feed.generator", "a"),
        ("feed.post", "a"),
        ("graph.list", "b"),
        ("feed.post", "b"),
        ("graph.starterpack", "a"),
    ];
    let posts: Vec<Value> = uris
        .iter()
        .map(|(kind, rkey)| json!({"embed": quote(&uri(kind, rkey))}))
        .collect();
    let questions = questions(posts.iter(), &Quoted::default());
    let asked: Vec<(&str, usize)> = questions.iter().map(|one| (one.nsid, one.params.len())).collect();
    let expected = [
        ("app.bsky.feed.getPosts", 2),
        ("app.bsky.feed.getFeedGenerators", 1),
        ("app.bsky.graph.getList", 1),
        ("app.bsky.graph.getList", 1),
    ];
    assert_eq!(asked, expected);
    let (did, images) = (
        "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(),
        ImageUrls {
            pattern: None,
            own_url: String::new(),
        },
    );
    let mut quoted = Quoted::default();
    let known = json!({"posts": [{"uri": uri("feed.post", "b"), "record": {"text": "b"}}]});
    quoted.learn(&questions[0], &known);
    let show = |kind, rkey| view(&quote(&uri(kind, rkey)), &quoted, &did, &images).map(|view| view["record"].clone());
    assert_eq!(show("feed.post", "b").unwrap()["value"]["text"], "b");
    assert_eq!(show("feed.post", "a").unwrap()["notFound"], true, "it has none");
    for (kind, why) in [
        ("graph.starterpack", "not asked"),
        ("feed.generator", "it said nothing"),
    ] {
        assert_eq!(show(kind, "a"), None, "{why}");
    }
}

#[test]
fn a_post_of_the_accounts_own_is_not_asked_for() {
    let mut quoted = Quoted::default();
    quoted.learn_own(POST, &json!({"uri": POST, "record": {"text": "own"}}));
    let posts = [json!({"embed": quote(POST)})];
    assert_eq!(questions(posts.iter(), &quoted), []);
    assert_eq!(
        record_view(&quote(POST), &quoted).unwrap()["record"]["value"]["text"],
        "own"
    );
}

#[test]
fn videos_and_galleries_have_views() {
    let did: Did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
    let images = ImageUrls {
        pattern: Some("https://cdn.example.com/%s/%s/%s".to_owned()),
        own_url: "https://pds.example.com".to_owned(),
    };
    let blob = json!({"$type": "blob", "ref": {"$link": "bafy"}, "mimeType": "x/y", "size": 1});
    let ratio = json!({"width": 1, "height": 2});
    let video = json!({"$type": VIDEO, "video": blob, "alt": "a", "aspectRatio": ratio, "presentation": "gif"});
    let base = "https://video.example.com/watch/did%3Aplc%3Aaaaaaaaaaaaaaaaaaaaaaaaa/bafy";
    let video_view = json!({
        "$type": "app.bsky.embed.video#view",
        "cid": "bafy",
        "playlist": format!("{base}/playlist.m3u8"),
        "thumbnail": format!("{base}/thumbnail.jpg"),
        "alt": "a",
        "aspectRatio": ratio,
        "presentation": "gif",
    });
    let nothing = Quoted::default();
    assert_eq!(view(&video, &nothing, &did, &images), Some(video_view.clone()));
    let both = json!({"$type": RECORD_WITH_MEDIA, "record": quote(POST), "media": video});
    assert_eq!(view(&both, &nothing, &did, &images), Some(video_view.clone()));
    let mut gone = Quoted::default();
    gone.learn(
        &questions([json!({"embed": both})].iter(), &nothing)[0],
        &json!({"posts": []}),
    );
    let shown = view(&both, &gone, &did, &images).unwrap();
    assert_eq!(
        (&shown["media"], &shown["record"]["record"]["notFound"]),
        (&video_view, &json!(true))
    );
    let gallery = json!({"$type": GALLERY, "items": [{"$type": "x", "image": blob, "alt": "a", "aspectRatio": ratio}]});
    let gallery_view = json!({"$type": "app.bsky.embed.gallery#view", "items": [{
        "$type": "app.bsky.embed.gallery#viewImage",
        "thumbnail": format!("https://cdn.example.com/feed_thumbnail/{did}/bafy"),
        "fullsize": format!("https://cdn.example.com/feed_fullsize/{did}/bafy"),
        "alt": "a",
        "aspectRatio": ratio,
    }]});
    assert_eq!(view(&gallery, &nothing, &did, &images), Some(gallery_view));
    // Records are valid before they come here; nothing breaks if one is not.
    for odd in [
        json!(null),
        json!({}),
        json!({"$type": VIDEO}),
        json!({"$type": IMAGES, "images": [{}]}),
    ] {
        assert_eq!(view(&odd, &nothing, &did, &images), None, "{odd}");
    }
}
