//! Where the AppView's images and videos are.

use atproto_data::Did;

/// The presets of the AppView's image server.
pub(super) const AVATAR: &str = "avatar";
pub(super) const BANNER: &str = "banner";
pub(super) const THUMBNAIL: &str = "feed_thumbnail";
pub(super) const FULL_SIZE: &str = "feed_fullsize";

/// Makes the addresses of images.
#[derive(Clone, Debug)]
pub struct ImageUrls {
    /// `PDS_BSKY_APP_VIEW_CDN_URL_PATTERN`: `%s` for preset, DID and CID, in this order.
    pub pattern: Option<String>,
    /// Our own origin, whose blobs are shown where there is no pattern.
    pub own_url: String,
}

impl ImageUrls {
    /// The address of an image in a preset.
    pub(super) fn image(&self, preset: &str, did: &Did, cid: &str) -> String {
        match &self.pattern {
            Some(pattern) => [preset, did.as_str(), cid]
                .iter()
                .fold(pattern.clone(), |url, part| url.replacen("%s", part, 1)),
            None => self.blob(did, cid),
        }
    }

    /// The addresses of a video's playlist and, if there is one, of its thumbnail. Where images are at `cdn.…`, videos are at `video.…`
    /// beside it, as at `cdn.bsky.app`.
    pub(super) fn video(&self, did: &Did, cid: &str) -> (String, Option<String>) {
        let host = self.pattern.as_deref().and_then(|pattern| {
            let host = pattern.strip_prefix("https://cdn.")?.split('/').next()?;
            Some(format!("https://video.{host}/watch/{}/{cid}", encoded(did)))
        });
        match host {
            Some(base) => (format!("{base}/playlist.m3u8"), Some(format!("{base}/thumbnail.jpg"))),
            None => (self.blob(did, cid), None),
        }
    }

    fn blob(&self, did: &Did, cid: &str) -> String {
        format!("{}/xrpc/com.atproto.sync.getBlob?did={did}&cid={cid}", self.own_url)
    }
}

/// A DID as one segment of a path.
fn encoded(did: &Did) -> String {
    form_urlencoded::byte_serialize(did.as_str().as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn urls(pattern: Option<&str>) -> ImageUrls {
        ImageUrls {
            pattern: pattern.map(str::to_owned),
            own_url: "https://pds.example.com".to_owned(),
        }
    }

    #[test]
    fn images_are_where_the_pattern_says() {
        let did: Did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
        let bluesky = urls(Some("https://cdn.bsky.app/img/%s/plain/%s/%s@jpeg"));
        let image = "https://cdn.bsky.app/img/avatar/plain/did:plc:aaaaaaaaaaaaaaaaaaaaaaaa/bafy@jpeg";
        assert_eq!(bluesky.image(AVATAR, &did, "bafy"), image);
        let base = "https://video.bsky.app/watch/did%3Aplc%3Aaaaaaaaaaaaaaaaaaaaaaaaa/bafy";
        let video = (format!("{base}/playlist.m3u8"), Some(format!("{base}/thumbnail.jpg")));
        assert_eq!(bluesky.video(&did, "bafy"), video);
        let blob =
            "https://pds.example.com/xrpc/com.atproto.sync.getBlob?did=did:plc:aaaaaaaaaaaaaaaaaaaaaaaa&cid=bafy";
        assert_eq!(urls(None).image(AVATAR, &did, "bafy"), blob);
        assert_eq!(urls(None).video(&did, "bafy"), (blob.to_owned(), None));
        let other = urls(Some("https://images.example.com/%s/%s/%s"));
        assert_eq!(other.video(&did, "bafy"), (blob.to_owned(), None));
    }
}
