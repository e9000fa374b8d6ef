//! What the operator sees of the running server: metrics, and what does not work while the rest does. The lowest room: every other may
//! record here.

pub mod conditions;
pub mod disk;
pub mod metric;
pub mod metrics;
mod outage;
pub mod process;
pub mod unwritable;
pub mod upstream;

pub use conditions::{Condition, Conditions};
pub use disk::Disk;
pub use outage::Outage;
pub use unwritable::Unwritable;
pub use upstream::{CallOutcome, Service, UpstreamCall};
