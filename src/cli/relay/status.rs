//! `pds relay status`: what the relays say of this server, and how much of what they allow is used up.

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::relays_of;
use crate::account::count_accounts;
use crate::cli::Outcome;
use crate::cli::print::print_fields;
use crate::clock::{Clock as _, SystemClock, rfc3339_millis};
use crate::config::Config;
use crate::crawl::{Budget, CrawlRequest, EventRates, HostStatus, Relay, RelayError, last_request};
use crate::sequencer::{self, LogState};
use crate::store::{self, StoreError};

/// Counting the events that a relay does not have stops here.
const MOST_COUNTED: u32 = 100_000;

/// One relay and what it answered.
struct Asked {
    relay: Relay,
    answer: Result<Option<HostStatus>, RelayError>,
    /// Our events beyond its cursor; seqs are times, so a difference of seqs says nothing.
    beyond: Option<u64>,
    log: LogState,
    /// How it answered when it was asked to crawl this server.
    request: Option<CrawlRequest>,
}

pub(super) async fn run(json: bool, relays: &[String]) -> Outcome {
    let config = Config::from_env()?;
    let relays = relays_of(&config, relays)?;
    let hostname = config.service.hostname.as_str();
    let mut database = store::inspect(&config.storage.data_directory).await?;
    let budget = budget(&mut database).await?;
    let mut asked = Vec::new();
    for relay in relays {
        asked.push(ask(&mut database, relay, hostname).await?);
    }
    let request = budget.request(hostname, config.branding.contact_email_address.as_deref());
    if json {
        print_json(hostname, &budget, &asked, &request)?;
    } else {
        print_text(&budget, &asked, &request)?;
    }
    let bad = asked.iter().filter(|asked| asked.trouble().is_some()).count();
    if bad > 0 {
        return Err(format!("{bad} of {} relays: see above", asked.len()).into());
    }
    Ok(())
}

async fn budget(database: &mut SqliteConnection) -> Result<Budget, StoreError> {
    let now = SystemClock.now_micros();
    let mut rates = EventRates::default();
    rates.update(database, now).await?;
    let accounts = count_accounts(database).await?.total();
    Ok(Budget::new(
        accounts,
        rates.busiest_second(now),
        rates.last_hour(now),
        rates.last_day(now),
    ))
}

async fn ask(database: &mut SqliteConnection, relay: Relay, hostname: &str) -> Result<Asked, StoreError> {
    let answer = relay.host_status(hostname).await;
    let seq = answer
        .as_ref()
        .ok()
        .and_then(Option::as_ref)
        .and_then(|status| status.seq);
    let beyond = match seq {
        Some(seq) => Some(sequencer::events_after(database, seq, MOST_COUNTED).await?),
        None => None,
    };
    let log = sequencer::log_state(database).await?;
    let request = last_request(database, relay.url()).await?;
    Ok(Asked {
        relay,
        answer,
        beyond,
        log,
        request,
    })
}

impl Asked {
    /// When it was asked to crawl this server, and what it said.
    fn request(&self) -> String {
        let Some(request) = &self.request else {
            return "never by this server".to_owned();
        };
        let answer = request.error.as_deref().unwrap_or("it said yes");
        format!("{}: {answer}", rfc3339_millis(request.asked_at))
    }

    /// How many events it has still to read, in words.
    fn beyond(&self) -> String {
        match self.beyond {
            None => "-".to_owned(),
            Some(events) if events >= u64::from(MOST_COUNTED) => format!("{events} or more"),
            Some(events) => events.to_string(),
        }
    }

    fn host(&self) -> Option<&HostStatus> {
        self.answer.as_ref().ok().and_then(Option::as_ref)
    }

    /// What keeps this relay from having what is posted here, and what to do about it.
    fn trouble(&self) -> Option<String> {
        let host = match &self.answer {
            Err(error) => return Some(error.to_string()),
            Ok(None) => {
                return Some(
                    "it does not know this server: check that PDS_HOSTNAME is reached from outside by https and WebSocket, then \
                     `pds relay request-crawl`"
                        .to_owned(),
                );
            }
            Ok(Some(host)) => host,
        };
        if host.seq.is_some_and(|seq| 0 < seq && seq < self.log.pruned_to) {
            return Some(
                "it has missed events that are not kept any more (PDS_REPO_BACKFILL_LIMIT_MS): what they told shows once it reads the repos \
                 again"
                    .to_owned(),
            );
        }
        if host.seq.is_some_and(|seq| seq > self.log.seq_high) {
            return Some(
                "it has events that this database does not know: was an older copy restored? Then run `pds relay resync`".to_owned(),
            );
        }
        match host.status.as_deref() {
            Some("throttled") => Some("it drops events of this server: ask for higher limits".to_owned()),
            Some("banned") => Some("it refuses this server: write to its operators".to_owned()),
            Some("offline") => Some(
                "it cannot reach this server: check that PDS_HOSTNAME is reached from outside by https and WebSocket, then `pds relay request-crawl`"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

fn print_text(budget: &Budget, asked: &[Asked], request: &str) -> Outcome {
    for one in asked {
        let status = one.host().and_then(|host| host.status.as_deref());
        let accounts = one.host().and_then(|host| host.account_count);
        print_fields(&["relay", one.relay.url()])?;
        print_fields(&["  status", status.unwrap_or("-")])?;
        print_fields(&["  events beyond its cursor", &one.beyond()])?;
        let accounts = accounts.map_or_else(|| "-".to_owned(), |accounts| accounts.to_string());
        print_fields(&["  accounts it counts", &accounts])?;
        print_fields(&["  asked to crawl", &one.request()])?;
        if let Some(trouble) = one.trouble() {
            print_fields(&["  trouble", &trouble])?;
        }
    }
    print_fields(&["budget of a new host"])?;
    for part in budget.uses() {
        let used = format!("{} of {} ({} %)", part.used, part.limit, part.percent());
        print_fields(&[&format!("  {}", part.what), &used])?;
    }
    if budget.uses().iter().any(|part| part.is_short()) {
        print_fields(&["\nWarning: 80 % or more of a limit is used. Send this to the relay's operators:\n"])?;
        print_fields(&[request])?;
    }
    Ok(())
}

fn print_json(hostname: &str, budget: &Budget, asked: &[Asked], request: &str) -> Outcome {
    let relays: Vec<Value> = asked
        .iter()
        .map(|one| {
            json!({
                "url": one.relay.url(),
                "known": one.host().is_some(),
                "status": one.host().and_then(|host| host.status.as_deref()),
                "seq": one.host().and_then(|host| host.seq),
                "eventsBeyondCursor": one.beyond,
                "accountCount": one.host().and_then(|host| host.account_count),
                "trouble": one.trouble(),
                "crawlRequest": one.request.as_ref().map(|request| json!({
                    "askedAt": rfc3339_millis(request.asked_at),
                    "error": request.error,
                })),
            })
        })
        .collect();
    let uses: Vec<Value> = budget
        .uses()
        .iter()
        .map(|part| json!({"what": part.what, "used": part.used, "limit": part.limit, "percent": part.percent()}))
        .collect();
    let short = budget.uses().iter().any(|part| part.is_short());
    let output = json!({
        "hostname": hostname,
        "relays": relays,
        "budget": uses,
        "warning": short,
        "request": request,
    });
    print_fields(&[&serde_json::to_string_pretty(&output)?])
}
