//! `pds serve`: the server with the settings of the environment.

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Outcome, logging};
use crate::app::App;
use crate::config::Config;
use crate::jobs;
use crate::server::health::Phase;
use crate::server::router::{self, RequestIds};
use crate::server::{lifecycle, listen};
use crate::{web, xrpc};

pub(super) async fn run() -> Outcome {
    let config = Config::from_env()?;
    logging::start(&config.log);
    serve(config, |url| tracing::info!(url, "listening")).await
}

/// Runs a server until it is told to stop; `ready` gets its address when it listens.
pub(super) async fn serve(mut config: Config, ready: impl FnOnce(&str)) -> Outcome {
    report(&config);
    let listener = TcpListener::bind((config.service.bind_address, config.service.port)).await?;
    config.service.listens_on(listener.local_addr()?.port());
    let url = format!("http://localhost:{}", config.service.port);
    let stop = lifecycle::stop_on_signals()?;

    // The listener answers probes while the database opens and migrates.
    let (router, routers) = watch::channel(router::not_ready(Phase::Starting, RequestIds::starting_at(0)));
    let server = tokio::spawn(listen::serve_latest(listener, routers, stop.clone()));
    let app = App::start(&config, stop.clone()).await?;
    jobs::start(&app).await?;
    drop(router.send_replace(xrpc::router(&app, web::pages(&app))));
    ready(&url);
    // Only now: a relay that is asked to crawl looks at once.
    jobs::crawl::start(&app);
    server.await?;
    drop(router);
    app.close().await;
    Ok(())
}

/// Tells the operator what of the settings has no effect or looks wrong.
fn report(config: &Config) {
    let unused = config.not_in_use_yet();
    if !unused.is_empty() {
        tracing::info!(settings = unused.join(", "), "not in use yet");
    }
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    for unknown in config.unknown() {
        let did_you_mean = unknown.did_you_mean.as_deref();
        tracing::warn!(name = unknown.name, did_you_mean, "unknown setting");
    }
}
