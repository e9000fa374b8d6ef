//! What is embedded in a post: pictures, videos, links, and other records.

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

/// What the AppView has to be asked to show a record that a post quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The method.
    pub nsid: &'static str,
    /// The name of its parameter.
    pub parameter: &'static str,
    /// The record.
    pub uri: String,
    kind: Quoted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quoted {
    Post,
    FeedGenerator,
    List,
}

/// What to ask the AppView for before a post is shown, if it quotes something that the AppView knows more of.
pub fn question(post: &Value) -> Option<Question> {
    let uri = quoted_uri(&post["embed"])?;
    let collection = uri.parse::<AtUri>().ok()?.collection()?.to_string();
    let (nsid, parameter, kind) = match collection.as_str() {
        "app.bsky.feed.post" => ("app.bsky.feed.getPosts", "uris", Quoted::Post),
        "app.bsky.feed.generator" => ("app.bsky.feed.getFeedGenerator", "feed", Quoted::FeedGenerator),
        "app.bsky.graph.list" => ("app.bsky.graph.getList", "list", Quoted::List),
        _ => return None,
    };
    Some(Question {
        nsid,
        parameter,
        uri: uri.to_owned(),
        kind,
    })
}

/// The view of a quoted record, from the AppView's answer to its question.
pub fn quoted(question: &Question, answer: &Value) -> Option<Value> {
    let typed = |view: &Value, name: &str| {
        let mut view = view.as_object()?.clone();
        view.insert("$type".to_owned(), name.into());
        Some(Value::Object(view))
    };
    match question.kind {
        Quoted::FeedGenerator => typed(&answer["view"], "app.bsky.feed.defs#generatorView"),
        Quoted::List => typed(&answer["list"], "app.bsky.graph.defs#listView"),
        Quoted::Post => {
            let post = answer["posts"].get(0)?;
            let mut view = json!({
                "$type": "app.bsky.embed.record#viewRecord",
                "uri": post["uri"],
                "cid": post["cid"],
                "author": post["author"],
                "value": post["record"],
                "indexedAt": post["indexedAt"],
            });
            if let Some(labels) = post.get("labels") {
                view["labels"] = labels.clone();
            }
            if let Some(embed) = post.get("embed") {
                view["embeds"] = json!([embed]);
            }
            Some(view)
        }
    }
}

/// The view of a post's embed. `quoted` is the view of what it quotes, if there is one. None for what we do not know.
pub fn view(embed: &Value, quoted: Option<Value>, did: &Did, images: &ImageUrls) -> Option<Value> {
    match embed["$type"].as_str()? {
        RECORD => Some(record_view(embed, quoted)),
        RECORD_WITH_MEDIA => Some(json!({
            "$type": "app.bsky.embed.recordWithMedia#view",
            "media": media_view(&embed["media"], did, images)?,
            "record": record_view(&embed["record"], quoted),
        })),
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

fn record_view(embed: &Value, quoted: Option<Value>) -> Value {
    let not_found = || {
        json!({
            "$type": "app.bsky.embed.record#viewNotFound",
            "uri": embed["record"]["uri"],
            "notFound": true,
        })
    };
    json!({"$type": "app.bsky.embed.record#view", "record": quoted.unwrap_or_else(not_found)})
}

fn quoted_uri(embed: &Value) -> Option<&str> {
    let embed = match embed["$type"].as_str()? {
        RECORD => embed,
        RECORD_WITH_MEDIA => &embed["record"],
        _ => return None,
    };
    embed["record"]["uri"].as_str()
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
        assert_eq!(view(&video, None, &did, &images), Some(video_view.clone()));
        let quote = json!({"record": {"uri": "at://did:plc:a/b.c.d/e", "cid": "x"}});
        let both = json!({"$type": RECORD_WITH_MEDIA, "record": quote, "media": video});
        let both = view(&both, Some(json!({"$type": "x"})), &did, &images).unwrap();
        assert_eq!(
            (&both["media"], &both["record"]["record"]["$type"]),
            (&video_view, &json!("x"))
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
        assert_eq!(view(&gallery, None, &did, &images), Some(gallery_view));
        // Records are valid before they come here; nothing breaks if one is not.
        for odd in [
            json!(null),
            json!({}),
            json!({"$type": VIDEO}),
            json!({"$type": IMAGES, "images": [{}]}),
        ] {
            assert_eq!(view(&odd, None, &did, &images), None, "{odd}");
        }
    }
}
