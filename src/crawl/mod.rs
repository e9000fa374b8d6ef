//! Relays: asking them to crawl this server, and what they and our own numbers say of how that goes.

mod budget;
mod crawler;
mod rates;
mod relay;
mod requests;

pub use budget::{Budget, Use};
pub use crawler::keep_crawled;
pub use rates::EventRates;
pub use relay::{HostStatus, Relay, RelayError};
pub use requests::{CrawlRequest, CrawlRequests, last_request};
