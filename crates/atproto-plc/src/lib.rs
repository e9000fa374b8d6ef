//! did:plc ([specification](https://web.plc.directory/spec/v0.1/did-plc)): operations, audit logs, DID documents and the
//! state machine of a directory. Pure: the time is an argument, and nothing here reads a clock, a socket or a file.
//!
//! - [`operation`]: build, sign and encode operations.
//! - [`history`]: the rules by which an operation may follow others.
//! - [`audit`]: verify what a directory says about a DID.
//! - [`document`]: write and read DID documents.
//! - [`directory`]: a directory in memory.

pub mod audit;
pub mod directory;
pub mod document;
pub mod history;
pub mod operation;
pub mod state;
pub mod timestamp;

pub use audit::AuditEntry;
pub use directory::{Directory, DirectoryError};
pub use document::DidDocument;
pub use history::History;
pub use operation::{Operation, UnsignedOperation};
pub use state::{Service, State};
pub use timestamp::Timestamp;
