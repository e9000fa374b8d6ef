//! The lexicon language of the AT Protocol: the schemas of the records that the server knows, and validation of records
//! by them. Pure: no clock, socket or file.
//!
//! [`Catalogue::bundled`] holds every record schema of the reference implementation, generated into `lexicons/` at the
//! root of the workspace. The messages of [`RecordInvalid`] are the reference implementation's, word for word: clients
//! show them.
//!
//! Specification: <https://atproto.com/specs/lexicon>.

mod bundled;
mod catalogue;
mod compile;
mod document;
mod format;
mod issue;
mod ordered;
mod record;
mod schema;
mod string;
mod validate;

pub use catalogue::Catalogue;
pub use document::{Document, LexiconError, MAX_DOCUMENT_BYTES};
pub use issue::Issue;
pub use record::{RecordInvalid, Validation, Validity, fill_type};
pub use string::count_graphemes;
