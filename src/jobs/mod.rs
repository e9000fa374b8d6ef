//! Background work that comes round again and again.

pub(crate) mod crawl;
pub(crate) mod deletion;
mod relay_budget;
mod watch;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::observe::metrics;
use crate::repo::RepoError;

/// How often old events are removed from the firehose's log.
const PRUNE_EVERY: Duration = Duration::from_mins(10);
/// How often the write-ahead log is looked at.
const TIDY_EVERY: Duration = Duration::from_millis(500);
/// How often accounts that were left half-made, and handles half-changed, are looked after.
const SETTLE_EVERY: Duration = Duration::from_mins(1);
/// How often expired sessions are removed.
const SESSIONS_EVERY: Duration = Duration::from_hours(1);
/// How often blobs that nobody needs are removed.
const BLOBS_EVERY: Duration = Duration::from_mins(1);
/// How often the events that relays count are counted.
const RELAY_BUDGET_EVERY: Duration = Duration::from_mins(1);
/// How often accounts and blobs are counted for the metrics: that reads the whole of both tables.
const COUNT_EVERY: Duration = Duration::from_mins(10);
/// How often what waits to be done is counted for the metrics.
const COUNT_WAITING_EVERY: Duration = Duration::from_secs(15);
/// How often a bucket of blobs is asked whether it is there.
const PROBE_EVERY: Duration = Duration::from_mins(1);
/// How often something is written to a bucket of blobs, and some blobs are looked for.
const CHECK_BLOBS_EVERY: Duration = Duration::from_mins(30);
/// How often the disk is looked at, and what did not work is tried again.
const WATCH_EVERY: Duration = Duration::from_secs(5);
/// How often accounts whose date has come are deleted, and the remains of deleted ones looked for.
const DELETE_EVERY: Duration = Duration::from_mins(5);
/// How often all of a database that was found damaged is read.
const DAMAGE_EVERY: Duration = Duration::from_mins(5);

/// Starts all of it; it ends when the server stops.
///
/// # Errors
/// If the database cannot be read.
pub(crate) async fn start(app: &Arc<App>) -> Result<(), RepoError> {
    // Before anybody can begin an import, these are what a crash left of some.
    remove_leftovers(app, app.repos.detached().await?);
    let (mail, stop) = (app.mail.clone(), app.stopping());
    app.tasks().spawn(async move { mail.run(stop).await });
    repeat(app, PRUNE_EVERY, "prune the event log", |app| async move {
        app.sequencer
            .prune_old()
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    });
    repeat(app, TIDY_EVERY, "empty the write-ahead log", |app| async move {
        app.tidy().await.map_err(|error| error.to_string())
    });
    repeat(app, SETTLE_EVERY, "settle abandoned accounts", |app| async move {
        app.accounts
            .settle_abandoned()
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    });
    repeat(app, SETTLE_EVERY, "settle changes of handles", |app| async move {
        app.accounts
            .settle_handle_changes()
            .await
            .map_err(|error| error.to_string())
    });
    repeat(
        app,
        DELETE_EVERY,
        "delete accounts whose date has come",
        |app| async move { deletion::delete_due(app).await.map_err(|error| error.to_string()) },
    );
    repeat(app, DELETE_EVERY, "remove the remains of accounts", |app| async move {
        deletion::remove_remains(app).await.map_err(|error| error.to_string())
    });
    repeat(app, SESSIONS_EVERY, "remove expired sessions", |app| async move {
        app.accounts
            .remove_expired_sessions()
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    });
    repeat(app, BLOBS_EVERY, "remove blobs", |app| async move {
        app.blobs.collect().await.map(drop).map_err(|error| error.to_string())
    });
    repeat(app, COUNT_EVERY, "count accounts and blobs", |app| async move {
        watch::count(app).await.map_err(|error| error.to_string())
    });
    repeat(app, COUNT_WAITING_EVERY, "count what waits", |app| async move {
        watch::count_waiting(app).await.map_err(|error| error.to_string())
    });
    repeat(app, DAMAGE_EVERY, "look again at damage", |app| async move {
        app.look_again_at_damage().await.map_err(|error| error.to_string())
    });
    repeat(app, PROBE_EVERY, "ask the bucket", |app| async move {
        watch::probe(app).await;
        Ok(())
    });
    repeat(app, CHECK_BLOBS_EVERY, "check the blob store", |app| async move {
        watch::check_blobs(app).await.map_err(|error| error.to_string())
    });
    repeat(
        app,
        WATCH_EVERY,
        "watch the disk and other services",
        |app| async move {
            watch::watch(app).await;
            Ok(())
        },
    );
    if !app.relays.is_empty() {
        let rates = Arc::default();
        repeat(app, RELAY_BUDGET_EVERY, "count events", move |app| {
            relay_budget::update(app, Arc::clone(&rates))
        });
    }
    Ok(())
}

/// Removes repos that imports left behind when the server stopped.
fn remove_leftovers(app: &Arc<App>, repo_ids: Vec<i64>) {
    let (repos, stop) = (app.repos.clone(), app.stopping());
    app.tasks().spawn(async move {
        for repo_id in repo_ids {
            let removed = tokio::select! {
                removed = repos.remove_detached(repo_id) => removed,
                () = stop.cancelled() => return,
            };
            if let Err(error) = removed {
                tracing::warn!(%error, "what an import left behind is not removed before the next start");
            }
        }
    });
}

/// Runs `work` now and then every `period`; what fails is tried again the next time.
fn repeat<F>(app: &Arc<App>, period: Duration, name: &'static str, work: impl Fn(Arc<App>) -> F + Send + 'static)
where
    F: Future<Output = Result<(), String>> + Send,
{
    let app = Arc::clone(app);
    let stop = app.stopping();
    let tasks = app.tasks().clone();
    metrics::JOB_RUNS.add([name, "failed"], 0);
    tasks.spawn(async move {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            // What it began in the database is done or rolled back as a whole; the next start goes on from there.
            let Some(outcome) = stop.run_until_cancelled(work(Arc::clone(&app))).await else {
                return;
            };
            metrics::JOB_RUNS.increment([name, if outcome.is_ok() { "ok" } else { "failed" }]);
            if let Err(error) = outcome {
                tracing::warn!(job = name, error, "a job failed");
            }
        }
    });
}
