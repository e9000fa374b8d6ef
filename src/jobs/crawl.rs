//! Asking the relays to crawl this server.

use std::sync::Arc;

use crate::app::App;
use crate::crawl::keep_crawled;

/// Starts asking; it ends when the server stops.
pub(crate) fn start(app: &Arc<App>) {
    for relay in app.relays.clone() {
        let (stop, newest, clock) = (app.stopping(), app.sequencer.newest(), app.clock());
        let hostname = app.site().hostname.clone();
        app.tasks().spawn(async move {
            let name = relay.url().to_owned();
            let ask = move || {
                let (relay, hostname) = (relay.clone(), hostname.clone());
                async move { relay.request_crawl(&hostname).await }
            };
            stop.run_until_cancelled_owned(keep_crawled(&name, ask, newest, clock))
                .await
        });
    }
}
