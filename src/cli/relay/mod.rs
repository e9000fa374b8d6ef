//! `pds relay`: what relays know of this server, and having them look at it.

mod request_crawl;
mod resync;
mod status;

use std::error::Error;

use clap::Subcommand;

use super::Outcome;
use super::admin_client::AdminArguments;
use crate::config::Config;
use crate::crawl::Relay;

#[derive(Debug, Subcommand)]
pub(super) enum RelayVerb {
    /// Ask each relay of PDS_CRAWLERS what it knows of this server. Reads the settings of the environment and the database, beside a
    /// running server or without one. Exit status 1 if a relay does not answer or does not crawl this server.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Ask this relay instead, such as https://bsky.network; may be given more than once.
        #[arg(long)]
        relay: Vec<String>,
    },
    /// Ask each relay of PDS_CRAWLERS to crawl this server, now. The server does so by itself, at start and after silence. Exit status 1 if a
    /// relay does not say yes.
    RequestCrawl {
        /// Ask this relay instead, such as https://bsky.network; may be given more than once.
        #[arg(long)]
        relay: Vec<String>,
    },
    /// Have a running server tell the network every account's status, and of those in use handle and repo, so that relays read the repos
    /// again. For after an older copy of the data was restored: what relays saw since then is not here any more. Exit status 1 if that
    /// fails for an account.
    Resync(AdminArguments),
}

pub(super) async fn run(verb: RelayVerb) -> Outcome {
    match verb {
        RelayVerb::Status { json, relay } => status::run(json, &relay).await,
        RelayVerb::RequestCrawl { relay } => request_crawl::run(&relay).await,
        RelayVerb::Resync(admin) => resync::run(admin).await,
    }
}

/// The relays that were named, or else those of the settings.
fn relays_of(config: &Config, named: &[String]) -> Result<Vec<Relay>, Box<dyn Error + Send + Sync>> {
    let urls: Vec<String> = if named.is_empty() {
        config.crawlers.relays.clone()
    } else {
        named.iter().map(|url| url.trim_end_matches('/').to_owned()).collect()
    };
    if urls.is_empty() {
        return Err("no relay is asked to crawl this server: set PDS_CRAWLERS or name one with --relay".into());
    }
    Ok(Relay::all(&urls)?)
}
