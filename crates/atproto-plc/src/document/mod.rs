//! DID documents: writing the directory's, and reading anybody's.

mod read;
mod render;
#[cfg(test)]
mod tests;

pub use self::read::{
    DidDocument, DidDocumentError, DocumentService, MAX_ALSO_KNOWN_AS, MAX_DOCUMENT_BYTES, MAX_SERVICES,
    MAX_STRING_BYTES, MAX_VERIFICATION_METHODS, VerificationMethod,
};
pub use self::render::render;
