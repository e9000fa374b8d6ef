//! How much of what relays allow this server uses: counted every minute, warned about once each time it becomes short.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::account::count_accounts;
use crate::app::App;
use crate::crawl::{Budget, EventRates, Use};
use crate::observe::metrics;
use crate::store::StoreError;

/// What was counted so far, and what the operator was warned about.
#[derive(Default)]
pub(super) struct Counted {
    rates: EventRates,
    short: Vec<&'static str>,
}

/// Counts what is new.
pub(super) async fn update(app: Arc<App>, counted: Arc<Mutex<Counted>>) -> Result<(), String> {
    let mut counted = counted.lock().await;
    let budget = count(&app, &mut counted.rates)
        .await
        .map_err(|error| error.to_string())?;
    measure(&budget);
    let short: Vec<Use> = budget.uses().into_iter().filter(|part| part.is_short()).collect();
    for part in short.iter().filter(|part| !counted.short.contains(&part.what)) {
        tracing::warn!(
            what = part.what,
            used = part.used,
            limit = part.limit,
            "relays will soon drop events of this server: `pds relay status` has the text that asks for more"
        );
    }
    counted.short = short.iter().map(|part| part.what).collect();
    Ok(())
}

fn measure(budget: &Budget) {
    for (window, part) in [("second", budget.second), ("hour", budget.hour), ("day", budget.day)] {
        metrics::RELAY_EVENTS.set_count([window], part.used);
        metrics::RELAY_EVENT_LIMIT.set_count([window], part.limit);
    }
    metrics::RELAY_ACCOUNTS.set_count([], budget.accounts.used);
    metrics::RELAY_ACCOUNT_LIMIT.set_count([], budget.accounts.limit);
}

async fn count(app: &App, rates: &mut EventRates) -> Result<Budget, StoreError> {
    let mut reader = app.read().await?;
    let now = app.clock().now_micros();
    rates.update(&mut reader, now).await?;
    let accounts = count_accounts(&mut reader).await?.total();
    Ok(Budget::new(
        accounts,
        rates.busiest_second(now),
        rates.last_hour(now),
        rates.last_day(now),
    ))
}
