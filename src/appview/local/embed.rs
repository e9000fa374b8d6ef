//! What is embedded in a post: pictures, videos, links, and other records.

use std::collections::{BTreeSet, HashMap};

use atproto_data::{AtUri, Did};
use serde_json::{Value, json};

use super::blob_cid;
use super::images::{FULL_SIZE, ImageUrls, THUMBNAIL};

const IMAGES: &str = "app.bsky.embed.images";
const GALLERY: &str = "app.bsky.embed.gallery";
const EXTERNAL: &str = "app.bsky.embed.external";
const VIDEO: &str = "app.bsky.embed.video";
const RECORD: &str = "app.bsky.embed.record";
const RECORD_WITH_MEDIA: &str = "app.bsky.embed.recordWithMedia";

/// A call of the AppView that asks for records that posts quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The method.
    pub nsid: &'static str,
    /// Its parameters.
    pub params: Vec<(&'static str, String)>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Post,
    FeedGenerator,
    List,
}

/// How the records that posts quote are shown, by their URIs; those of which nobody said anything are not there.
#[derive(Clone, Debug, Default)]
pub struct Quoted(HashMap<String, Value>);

/// What to ask the AppView for before posts are shown, of what is not known: one call for all posts that they quote, one for all feeds, one
/// for each list.
pub fn questions<'p>(posts: impl Iterator<Item = &'p Value>, known: &Quoted) -> Vec<Question> {
    let quoted = posts.filter_map(|post| quoted_record(&post["embed"]));
    let quoted: BTreeSet<(Kind, &str)> = quoted.filter(|(_, uri)| !known.0.contains_key(*uri)).collect();
    let mut questions: Vec<Question> = Vec::new();
    for (kind, uri) in quoted {
        let (nsid, name) = match kind {
            Kind::Post => ("app.bsky.feed.getPosts", "uris"),
            Kind::FeedGenerator => ("app.bsky.feed.getFeedGenerators", "feeds"),
            Kind::List => ("app.bsky.graph.getList", "list"),
        };
        match questions.last_mut() {
            Some(last) if last.kind == kind && kind != Kind::List => last.params.push((name, uri.to_owned())),
            _ => questions.push(Question {
                nsid,
                params: vec![(name, uri.to_owned())],
                kind,
            }),
        }
    }
    questions
}

/// Whether a post quotes the record with this address.
pub fn quotes(post: &Value, uri: &str) -> bool {
    quoted_record(&post["embed"]).is_some_and(|(_, quoted)| quoted == uri)
}

impl Quoted {
    /// Takes note of the view of a post that the AppView has not seen.
    pub fn learn_own(&mut self, uri: &str, view: &Value) {
        self.0.insert(uri.to_owned(), quoted_post(view));
    }

    /// Takes note of the answer to a question.
    pub fn learn(&mut self, question: &Question, answer: &Value) {
        let (views, show): (_, fn(&Value) -> Value) = match question.kind {
            Kind::Post => (answer["posts"].as_array().cloned(), quoted_post),
            Kind::FeedGenerator => (answer["feeds"].as_array().cloned(), |view| {
                typed(view, "app.bsky.feed.defs#generatorView")
            }),
            Kind::List => (Some(vec![answer["list"].clone()]), |view| {
                typed(view, "app.bsky.graph.defs#listView")
            }),
        };
        for (_, uri) in &question.params {
            self.0.insert(uri.clone(), not_found(uri));
        }
        for view in views.unwrap_or_default() {
            if let Some(uri) = view["uri"].as_str() {
                self.0.insert(uri.to_owned(), show(&view));
            }
        }
    }
}

fn not_found(uri: &str) -> Value {
    json!({"$type": "app.bsky.embed.record#viewNotFound", "uri": uri, "notFound": true})
}

fn typed(view: &Value, name: &str) -> Value {
    let mut view = view.clone();
    if let Some(view) = view.as_object_mut() {
        view.insert("$type".to_owned(), name.into());
    }
    view
}

fn quoted_post(post: &Value) -> Value {
    let mut view = json!({
        "$type": "app.bsky.embed.record#viewRecord",
        "uri": post["uri"],
        "cid": post["cid"],
        "author": post["author"],
        "value": post["record"],
        "indexedAt": post["indexedAt"],
    });
    copy(post, &mut view, "labels");
    if let Some(embed) = post.get("embed") {
        view["embeds"] = json!([embed]);
    }
    view
}

/// The view of a post's embed. None for what we do not know, and for a quoted record of which nobody said anything in time.
pub fn view(embed: &Value, quoted: &Quoted, did: &Did, images: &ImageUrls) -> Option<Value> {
    match embed["$type"].as_str()? {
        RECORD => record_view(embed, quoted),
        RECORD_WITH_MEDIA => {
            let media = media_view(&embed["media"], did, images)?;
            Some(match record_view(&embed["record"], quoted) {
                Some(record) => json!({
                    "$type": "app.bsky.embed.recordWithMedia#view",
                    "media": media,
                    "record": record,
                }),
                None => media,
            })
        }
        _ => media_view(embed, did, images),
    }
}

fn media_view(embed: &Value, did: &Did, images: &ImageUrls) -> Option<Value> {
    let of_images = |name: &str, thumbnail: &str| -> Option<Vec<Value>> {
        let image = |image: &Value| image_view(image, thumbnail, did, images);
        embed[name].as_array()?.iter().map(image).collect()
    };
    match embed["$type"].as_str()? {
        IMAGES => Some(json!({"$type": "app.bsky.embed.images#view", "images": of_images("images", "thumb")?})),
        GALLERY => {
            let mut items = of_images("items", "thumbnail")?;
            for item in &mut items {
                item["$type"] = "app.bsky.embed.gallery#viewImage".into();
            }
            Some(json!({"$type": "app.bsky.embed.gallery#view", "items": items}))
        }
        EXTERNAL => Some(external_view(&embed["external"], did, images)),
        VIDEO => video_view(embed, did, images),
        _ => None,
    }
}

/// Two lexicons have two names for the thumbnail.
fn image_view(image: &Value, thumbnail: &str, did: &Did, images: &ImageUrls) -> Option<Value> {
    let cid = blob_cid(&image["image"])?;
    let mut view = json!({
        thumbnail: images.image(THUMBNAIL, did, cid),
        "fullsize": images.image(FULL_SIZE, did, cid),
        "alt": image["alt"],
    });
    copy(image, &mut view, "aspectRatio");
    Some(view)
}

fn external_view(external: &Value, did: &Did, images: &ImageUrls) -> Value {
    let mut view = json!({
        "uri": external["uri"],
        "title": external["title"],
        "description": external["description"],
    });
    if let Some(cid) = blob_cid(&external["thumb"]) {
        view["thumb"] = images.image(THUMBNAIL, did, cid).into();
    }
    json!({"$type": "app.bsky.embed.external#view", "external": view})
}

fn video_view(embed: &Value, did: &Did, images: &ImageUrls) -> Option<Value> {
    let cid = blob_cid(&embed["video"])?;
    let (playlist, thumbnail) = images.video(did, cid);
    let mut view = json!({"$type": "app.bsky.embed.video#view", "cid": cid, "playlist": playlist});
    if let Some(thumbnail) = thumbnail {
        view["thumbnail"] = thumbnail.into();
    }
    for name in ["alt", "aspectRatio", "presentation"] {
        copy(embed, &mut view, name);
    }
    Some(view)
}

fn record_view(embed: &Value, quoted: &Quoted) -> Option<Value> {
    let record = quoted.0.get(embed["record"]["uri"].as_str()?)?;
    Some(json!({"$type": "app.bsky.embed.record#view", "record": record}))
}

/// The record that a post quotes, if the AppView can be asked for its kind.
fn quoted_record(embed: &Value) -> Option<(Kind, &str)> {
    let embed = match embed["$type"].as_str()? {
        RECORD => embed,
        RECORD_WITH_MEDIA => &embed["record"],
        _ => return None,
    };
    let uri = embed["record"]["uri"].as_str()?;
    let kind = match uri.parse::<AtUri>().ok()?.collection()?.as_str() {
        "app.bsky.feed.post" => Kind::Post,
        "app.bsky.feed.generator" => Kind::FeedGenerator,
        "app.bsky.graph.list" => Kind::List,
        _ => return None,
    };
    Some((kind, uri))
}

fn copy(from: &Value, to: &mut Value, name: &str) {
    if let Some(value) = from.get(name) {
        to[name] = value.clone();
    }
}

#[cfg(test)]
mod tests {
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
        let show =
            |kind, rkey| view(&quote(&uri(kind, rkey)), &quoted, &did, &images).map(|view| view["record"].clone());
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
        let gallery =
            json!({"$type": GALLERY, "items": [{"$type": "x", "image": blob, "alt": "a", "aspectRatio": ratio}]});
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
}
