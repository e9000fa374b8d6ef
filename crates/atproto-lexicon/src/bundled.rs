//! The documents in `lexicons/`, as text.

/// Every document the server brings along. The list is generated with them.
pub(crate) const DOCUMENTS: &[&str] = include!("../../../lexicons/bundle.rs");

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::path::Path;

    use super::*;

    fn count_documents(directory: &Path) -> usize {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| match path.extension() {
                _ if path.is_dir() => count_documents(&path),
                Some(extension) if extension == "json" => 1,
                _ => 0,
            })
            .sum()
    }

    #[test]
    fn lists_every_document_of_the_folder() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../lexicons"));
        assert_eq!(DOCUMENTS.len(), count_documents(folder));
    }

    #[test]
    fn documents_hold_no_prose() {
        for document in DOCUMENTS {
            // A property may have that name; what it means would be a string.
            assert!(!document.contains("\"description\": \""), "{document}");
        }
    }
}
