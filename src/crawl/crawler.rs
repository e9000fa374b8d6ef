//! When a relay is asked: at start, and on the first event after silence, at most every 20 minutes, as the reference does; and again, less
//! and less often, when that failed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::RelayError;
use crate::backoff::doubled;
use crate::clock::Clock;
use crate::observe::metrics;
use crate::random::{self, Random};

/// A relay that said yes is not asked again sooner.
const EVERY: Duration = Duration::from_mins(20);
/// A relay that could not be asked is asked again after this…
const FIRST_RETRY: Duration = Duration::from_secs(2);
/// …then after twice as long each time, up to this.
const LAST_RETRY: Duration = Duration::from_mins(20);
/// A relay that said no is asked again after this, in case it was a mistake…
const FIRST_RETRY_REFUSED: Duration = Duration::from_mins(20);
/// …then after twice as long each time, up to this. No relay may ask for more, either.
const LAST_RETRY_REFUSED: Duration = Duration::from_hours(24);

/// Asks a relay again and again, one request at a time, until `newest`, the seq of the newest event, has no sender any more or the future is
/// dropped. `name` is the relay's name in the log.
pub async fn keep_crawled<F>(
    name: &str,
    ask: impl Fn() -> F,
    mut newest: watch::Receiver<i64>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) where
    F: Future<Output = Result<(), RelayError>>,
{
    let mut failures = 0;
    loop {
        newest.borrow_and_update();
        let answer = ask().await;
        metrics::CRAWL_REQUESTS.increment([if answer.is_ok() { "ok" } else { "failed" }]);
        let Err(error) = answer else {
            tracing::info!(relay = name, "asked to crawl this server");
            failures = 0;
            clock.sleep(EVERY).await;
            if newest.changed().await.is_err() {
                return;
            }
            continue;
        };
        let pause = pause(&error, failures, random.as_ref());
        let again_in_s = pause.as_secs();
        tracing::warn!(relay = name, %error, again_in_s, "a request to crawl this server failed");
        failures = failures.saturating_add(1);
        clock.sleep(pause).await;
    }
}

/// How long to wait after the latest of so many failures in a row: never less than the relay wants, and up to a quarter more, so that
/// servers do not come back all at once.
fn pause(error: &RelayError, failures_before: u32, random: &dyn Random) -> Duration {
    let (first, last, wanted) = match error {
        RelayError::Unavailable { retry_after, .. } => (FIRST_RETRY, LAST_RETRY, retry_after),
        RelayError::Refused { retry_after, .. } => (FIRST_RETRY_REFUSED, LAST_RETRY_REFUSED, retry_after),
    };
    let wanted = wanted.unwrap_or_default().min(LAST_RETRY_REFUSED);
    let pause = doubled(first, failures_before, last).max(wanted);
    pause + (pause / 4).mul_f64(f64::from(u16::from_be_bytes(random::bytes(random))) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::Instant;

    use super::*;
    use crate::clock::SystemClock;

    /// Bytes that are all the same.
    struct Constant(u8);

    impl Random for Constant {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    /// When a relay that answers like this, then always yes, is asked, in seconds, within `minutes` in which there is an event each
    /// second of `events`.
    async fn asked(answers: &[Result<(), RelayError>], events: &[u64], minutes: u64) -> Vec<u64> {
        let begin = Instant::now();
        let (sender, newest) = watch::channel(0);
        let asked = Mutex::new(Vec::new());
        let ask = || {
            let mut asked = asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            asked.push(begin.elapsed().as_secs());
            std::future::ready(answers.get(asked.len() - 1).cloned().unwrap_or(Ok(())))
        };
        let happen = async {
            for second in events {
                tokio::time::sleep_until(begin + Duration::from_secs(*second)).await;
                sender.send_modify(|seq| *seq += 1);
            }
            std::future::pending::<()>().await;
        };
        let (clock, random) = (Arc::new(SystemClock), Arc::new(Constant(0)));
        let both = async { tokio::join!(keep_crawled("a relay", ask, newest, clock, random), happen) };
        assert!(tokio::time::timeout(Duration::from_mins(minutes), both).await.is_err());
        asked.into_inner().unwrap_or_default()
    }

    fn unavailable(retry_after: Option<u64>) -> Result<(), RelayError> {
        Err(RelayError::Unavailable {
            reason: "it is asleep".to_owned(),
            retry_after: retry_after.map(Duration::from_secs),
        })
    }

    fn refused() -> Result<(), RelayError> {
        Err(RelayError::Refused {
            status: 400,
            message: "banned".to_owned(),
            retry_after: None,
        })
    }

    /// The longest pause between requests, in seconds.
    fn longest(asked: &[u64]) -> Option<u64> {
        asked.windows(2).map(|pair| pair[1] - pair[0]).max()
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_at_start_and_after_silence_only() {
        assert_eq!(asked(&[], &[], 600).await, [0]);
        assert_eq!(asked(&[], &[7_200], 600).await, [0, 7_200]);
        let busy: Vec<u64> = (1..6_000).collect();
        assert_eq!(asked(&[], &busy, 95).await, [0, 1_200, 2_400, 3_600, 4_800]);
        // An event soon after a request is not forgotten.
        assert_eq!(asked(&[], &[1], 600).await, [0, 1_200]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_again_less_and_less_often_until_it_answers() {
        let unavailable = vec![unavailable(None); 100];
        assert_eq!(asked(&unavailable[..4], &[], 600).await, [0, 2, 6, 14, 30]);
        assert_eq!(longest(&asked(&unavailable, &[], 600).await), Some(1_200));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_left_alone_as_long_as_it_wants() {
        let answers = [unavailable(Some(600)), unavailable(None), unavailable(Some(1_000_000))];
        assert_eq!(asked(&answers, &[], 600).await, [0, 600, 604]);
        assert_eq!(asked(&answers, &[], 2_000).await, [0, 600, 604, 604 + 86_400]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_no_is_doubted_seldom() {
        // Events make no difference.
        let busy: Vec<u64> = (1..6_000).collect();
        assert_eq!(asked(&[refused(), refused()], &busy, 70).await, [0, 1_200, 3_600]);
        assert_eq!(longest(&asked(&vec![refused(); 30], &[], 30_000).await), Some(86_400));
    }

    #[test]
    fn servers_do_not_come_back_all_at_once() {
        let error = unavailable(Some(100)).err();
        let pauses = [0, 0x80, 0xff].map(|byte| error.as_ref().map(|error| pause(error, 0, &Constant(byte)).as_secs()));
        assert_eq!(pauses, [Some(100), Some(112), Some(125)]);
    }
}
