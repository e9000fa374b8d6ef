//! Profiles: what of a view follows from the account's own record.

use atproto_data::{Did, Handle};
use serde_json::{Map, Value, json};

use super::blob_cid;
use super::images::{AVATAR, BANNER, ImageUrls};

/// How much of a profile a view shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Name, pronouns and picture (`app.bsky.actor.defs#profileViewBasic`).
    Basic,
    /// Everything (`app.bsky.actor.defs#profileViewDetailed`).
    Full,
}

/// Brings a view of `did`'s profile up to date with its record; views of others stay.
pub fn update(view: &mut Value, did: &Did, record: &Value, images: &ImageUrls, detail: Detail) {
    let Some(view) = view.as_object_mut().filter(|view| is_of(view, did)) else {
        return;
    };
    let image = |name: &str, preset| blob_cid(&record[name]).map(|cid| images.image(preset, did, cid).into());
    set(view, "displayName", text(record, "displayName"));
    set(view, "avatar", image("avatar", AVATAR));
    set(view, "pronouns", text(record, "pronouns"));
    if detail == Detail::Full {
        set(view, "description", text(record, "description"));
        set(view, "banner", image("banner", BANNER));
        set(view, "website", text(record, "website"));
        set(view, "pinnedPost", record.get("pinnedPost").cloned());
    }
}

/// The account as the author of a post.
pub fn author(did: &Did, handle: &Handle, record: Option<&Value>, images: &ImageUrls) -> Value {
    let mut view = json!({"did": did.as_str(), "handle": handle.as_str()});
    if let Some(record) = record {
        update(&mut view, did, record, images, Detail::Basic);
    }
    view
}

fn is_of(view: &Map<String, Value>, did: &Did) -> bool {
    view.get("did").and_then(Value::as_str) == Some(did.as_str())
}

fn text(record: &Value, name: &str) -> Option<Value> {
    record.get(name).filter(|value| value.is_string()).cloned()
}

/// Sets a field, or takes it away.
fn set(view: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    match value {
        Some(value) => drop(view.insert(name.to_owned(), value)),
        None => drop(view.remove(name)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn views_follow_the_record() {
        let did: Did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
        let images = ImageUrls {
            pattern: Some("https://cdn.example.com/%s/%s/%s".to_owned()),
            own_url: String::new(),
        };
        let url = |preset: &str, cid: &str| format!("https://cdn.example.com/{preset}/{did}/{cid}");
        let pinned = json!({"uri": "at://x", "cid": "bafypost"});
        let record = json!({
            "displayName": "New",
            "pronouns": "they",
            "website": "https://example.com",
            "pinnedPost": pinned,
            "avatar": {"$type": "blob", "ref": {"$link": "bafyavatar"}, "mimeType": "image/png", "size": 1},
            "banner": {"$type": "blob", "ref": {"$link": "bafybanner"}, "mimeType": "image/png", "size": 1},
        });
        let old = json!({"did": did.as_str(), "displayName": "Old", "description": "old", "followersCount": 3});
        let mut basic = old.clone();
        update(&mut basic, &did, &record, &images, Detail::Basic);
        let mut expected = old.clone();
        expected["displayName"] = "New".into();
        expected["pronouns"] = "they".into();
        expected["avatar"] = url("avatar", "bafyavatar").into();
        assert_eq!(basic, expected);
        let mut full = old.clone();
        update(&mut full, &did, &record, &images, Detail::Full);
        expected["banner"] = url("banner", "bafybanner").into();
        expected["website"] = "https://example.com".into();
        expected["pinnedPost"] = pinned;
        expected.as_object_mut().unwrap().remove("description");
        assert_eq!(full, expected);
        update(&mut full, &did, &json!({}), &images, Detail::Full);
        assert_eq!(full, json!({"did": did.as_str(), "followersCount": 3}));
        let mut other = json!({"did": "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb", "displayName": "Bob"});
        let before = other.clone();
        update(&mut other, &did, &record, &images, Detail::Full);
        assert_eq!(other, before);
        let mut odd = json!("x");
        update(&mut odd, &did, &record, &images, Detail::Full);
        assert_eq!(odd, "x");
    }
}
