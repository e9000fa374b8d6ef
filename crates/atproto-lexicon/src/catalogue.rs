//! The catalogue of record schemas.

use std::collections::HashMap;
use std::sync::LazyLock;

use atproto_data::Nsid;

use crate::bundled;
use crate::compile::compile;
use crate::document::{Document, LexiconError};
use crate::schema::{RecordSchema, Schemas};

/// Record schemas by collection, ready for validation.
#[derive(Debug)]
pub struct Catalogue {
    pub(crate) records: HashMap<Nsid, RecordSchema>,
    pub(crate) schemas: Schemas,
}

impl Catalogue {
    /// The schemas in `lexicons/`: those the reference implementation validates by. Built at the first call.
    pub fn bundled() -> &'static Self {
        static BUNDLED: LazyLock<Catalogue> = LazyLock::new(|| {
            let documents = bundled::DOCUMENTS
                .iter()
                .map(|json| Document::from_json(json.as_bytes()));
            #[expect(clippy::expect_used, reason = "the documents are part of the program, and tested")]
            documents
                .collect::<Result<Vec<_>, _>>()
                .and_then(|documents| Catalogue::from_documents(&documents))
                .expect("the bundled lexicons must be valid")
        });
        &BUNDLED
    }

    /// The records of these documents.
    ///
    /// # Errors
    /// A definition that a record refers to, directly or not, is in none of the documents, or two documents have the
    /// same NSID.
    pub fn from_documents(documents: &[Document]) -> Result<Self, LexiconError> {
        let (records, schemas) = compile(documents)?;
        Ok(Self { records, schemas })
    }

    /// The collections whose records have a schema, in no order.
    pub fn collections(&self) -> impl Iterator<Item = &Nsid> {
        self.records.keys()
    }

    /// Whether records of the collection have a schema.
    pub fn contains(&self, collection: &Nsid) -> bool {
        self.records.contains_key(collection)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn bundles_every_record_of_the_reference() {
        let mut collections: Vec<&str> = Catalogue::bundled().collections().map(Nsid::as_str).collect();
        collections.sort_unstable();
        let expected = [
            "app.bsky.actor.contentVisibilityDeclaration",
            "app.bsky.actor.profile",
            "app.bsky.actor.status",
            "app.bsky.feed.generator",
            "app.bsky.feed.like",
            "app.bsky.feed.post",
            "app.bsky.feed.postgate",
            "app.bsky.feed.repost",
            "app.bsky.feed.threadgate",
            "app.bsky.graph.block",
            "app.bsky.graph.follow",
            "app.bsky.graph.list",
            "app.bsky.graph.listblock",
            "app.bsky.graph.listitem",
            "app.bsky.graph.referencelistoptout",
            "app.bsky.graph.starterpack",
            "app.bsky.graph.verification",
            "app.bsky.labeler.service",
            "app.bsky.notification.declaration",
            "chat.bsky.actor.declaration",
            "com.atproto.lexicon.schema",
            "com.germnetwork.declaration",
            "site.standard.document",
            "site.standard.graph.recommend",
            "site.standard.graph.subscription",
            "site.standard.publication",
            "site.standard.theme.basic",
        ];
        assert_eq!(collections, expected);
        assert!(Catalogue::bundled().contains(&"app.bsky.feed.post".parse().unwrap()));
        assert!(!Catalogue::bundled().contains(&"com.example.thing".parse().unwrap()));
    }

    fn document(json: &str) -> Document {
        Document::from_json(json.as_bytes()).unwrap()
    }

    #[test]
    fn refuses_what_is_not_defined_and_what_is_twice() {
        let reference = r##"{"lexicon": 1, "id": "a.b.c", "defs": {"main": {"type": "record", "key": "any", "record":
            {"type": "object", "properties": {"x": {"type": "array", "items": {"type": "ref", "ref": "#x"}}}}}}}"##;
        let error = Catalogue::from_documents(&[document(reference)]).unwrap_err();
        assert_eq!(error.to_string(), "a.b.c#x is referred to but not defined");

        let token = document(r#"{"lexicon": 1, "id": "a.b.c", "defs": {"x": {"type": "token"}}}"#);
        let error = Catalogue::from_documents(&[token.clone(), token]).unwrap_err();
        assert_eq!(error.to_string(), "a.b.c is defined twice");
    }
}
