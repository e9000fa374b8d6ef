//! `pds serve`: the server with the settings of the environment.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Outcome, logging};
use crate::app::App;
use crate::config::Config;
use crate::jobs;
use crate::observe::{Disk, metrics};
use crate::server::health::Phase;
use crate::server::router::{self, RequestIds};
use crate::server::{self, lifecycle, listen, open_files};
use crate::{store, web, xrpc};

pub(super) async fn run() -> Outcome {
    let config = Config::from_env()?;
    logging::start(&config.log);
    serve(config, |url| tracing::info!(url, "listening")).await
}

/// Runs a server until it is told to stop; `ready` gets its address when it listens.
pub(super) async fn serve(mut config: Config, ready: impl FnOnce(&str)) -> Outcome {
    report(&config);
    if let Err(error) = open_files::raise_limit() {
        tracing::warn!(%error, "the number of open files stays as low as it is");
    }
    let listener = bind(config.service.bind_address, config.service.port, "PDS_PORT").await?;
    config.service.listens_on(listener.local_addr()?.port());
    let url = format!("http://localhost:{}", config.service.port);
    let stop = lifecycle::stop_on_signals()?;

    let running: Arc<OnceLock<Arc<App>>> = Arc::default();
    let metrics = measure(&config, Arc::clone(&running), stop.clone()).await?;

    // The listener answers probes while the database opens and migrates.
    let phase = if store::is_to_be_migrated(&config.storage.data_directory).await {
        Phase::Migrating
    } else {
        Phase::Starting
    };
    let (router, routers) = watch::channel(router::not_ready(phase, RequestIds::starting_at(0)));
    let server = tokio::spawn(listen::serve_latest(listener, routers, stop.clone()));
    let app = App::start(&config, stop.clone()).await?;
    warn_of_network(&config);
    jobs::start(&app).await?;
    drop(router.send_replace(xrpc::router(&app, web::pages(&app))));
    // The first app is the only one.
    let _ = running.set(Arc::clone(&app));
    ready(&url);
    // Only now: a relay that is asked to crawl looks at once.
    jobs::crawl::start(&app);
    server.await?;
    if let Some(metrics) = metrics {
        metrics.await?;
    }
    drop(router);
    app.close().await;
    Ok(())
}

/// Takes a port, or says which setting names one that cannot be had.
async fn bind(address: IpAddr, port: u16, setting: &str) -> io::Result<TcpListener> {
    let address = SocketAddr::new(address, port);
    let refused =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address} ({setting}): {error}"));
    TcpListener::bind(address).await.map_err(refused)
}

/// Serves metrics, if a port is set, from now on: a migration may take long.
async fn measure(
    config: &Config,
    running: Arc<OnceLock<Arc<App>>>,
    stop: CancellationToken,
) -> io::Result<Option<JoinHandle<()>>> {
    let Some(port) = config.service.metrics_port else {
        return Ok(None);
    };
    let listener = bind(config.service.bind_address, port, "PDS_METRICS_PORT").await?;
    let port = listener.local_addr()?.port();
    tracing::info!(url = format!("http://localhost:{port}/metrics"), "serving metrics");
    let revision = option_env!("REVISION").unwrap_or("unknown");
    metrics::BUILD_INFO.set_flag([env!("CARGO_PKG_VERSION"), revision], true);
    metrics::READY.set_flag([], false);
    let measure = move || {
        if let Some(app) = running.get() {
            app.measure();
        }
    };
    Ok(Some(tokio::spawn(server::metrics::serve(listener, measure, stop))))
}

fn warn_of_network(config: &Config) {
    if let Ok(Disk {
        network: Some(kind), ..
    }) = Disk::of(&config.storage.data_directory)
    {
        tracing::warn!(
            "the data directory is on {kind}; SQLite loses data on network file systems: use a block device"
        );
    }
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
