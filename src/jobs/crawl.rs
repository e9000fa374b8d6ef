//! Asking the relays to crawl this server.

use std::sync::Arc;

use crate::app::App;
use crate::crawl::{Relay, RelayError, keep_crawled};

/// Starts asking; it ends when the server stops.
pub(crate) fn start(app: &Arc<App>) {
    for relay in app.relays.clone() {
        let (stop, newest) = (app.stopping(), app.sequencer.newest());
        let (clock, random) = (app.clock(), app.random());
        let asking = Arc::clone(app);
        app.tasks().spawn(async move {
            let name = relay.url().to_owned();
            let ask = || ask(&asking, &relay);
            stop.run_until_cancelled_owned(keep_crawled(&name, ask, newest, clock, random))
                .await
        });
    }
}

async fn ask(app: &App, relay: &Relay) -> Result<(), RelayError> {
    let answer = relay.request_crawl(&app.site().hostname).await;
    let noted = app.crawl_requests.note(relay.url(), app.now_micros(), &answer).await;
    if let Err(error) = noted {
        tracing::warn!(%error, "`pds relay status` will not know how a request to crawl this server ended");
    }
    answer
}
