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
mod tests;
