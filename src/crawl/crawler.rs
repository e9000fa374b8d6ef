//! When a relay is asked: at start, and on the first event after silence, at most every 20 minutes, as the reference does.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::RelayError;
use crate::clock::Clock;
use crate::observe::metrics;

/// A relay that said yes, or no, is not asked again sooner.
const EVERY: Duration = Duration::from_mins(20);
/// A relay that could not be asked is asked again after this…
const FIRST_RETRY: Duration = Duration::from_secs(2);
/// …then after twice as long each time, up to this.
const LAST_RETRY: Duration = Duration::from_mins(20);

/// Asks a relay again and again, one request at a time, until `newest`, the seq of the newest event, has no sender any more or the future is
/// dropped. `name` is the relay's name in the log.
pub async fn keep_crawled<F>(name: &str, ask: impl Fn() -> F, mut newest: watch::Receiver<i64>, clock: Arc<dyn Clock>)
where
    F: Future<Output = Result<(), RelayError>>,
{
    let mut retry = FIRST_RETRY;
    loop {
        newest.borrow_and_update();
        let answer = ask().await;
        metrics::CRAWL_REQUESTS.increment([if answer.is_ok() { "ok" } else { "failed" }]);
        match answer {
            Ok(()) => tracing::info!(relay = name, "asked to crawl this server"),
            Err(RelayError::Unavailable(reason)) => {
                tracing::warn!(
                    relay = name,
                    reason,
                    again_in_s = retry.as_secs(),
                    "cannot be asked to crawl"
                );
                clock.sleep(retry).await;
                retry = LAST_RETRY.min(retry * 2);
                continue;
            }
            Err(error) => tracing::warn!(relay = name, %error, "does not want to crawl this server"),
        }
        retry = FIRST_RETRY;
        clock.sleep(EVERY).await;
        if newest.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::Instant;

    use super::*;
    use crate::clock::SystemClock;

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
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let both = async { tokio::join!(keep_crawled("a relay", ask, newest, clock), happen) };
        assert!(tokio::time::timeout(Duration::from_mins(minutes), both).await.is_err());
        asked.into_inner().unwrap_or_default()
    }

    fn unavailable(times: usize) -> Vec<Result<(), RelayError>> {
        vec![Err(RelayError::Unavailable("it is asleep".to_owned())); times]
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
        assert_eq!(asked(&unavailable(4), &[], 600).await, [0, 2, 6, 14, 30]);
        let last = asked(&unavailable(100), &[], 600).await;
        let pauses: Vec<u64> = last.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses.iter().max(), Some(&1_200), "{pauses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_no_is_taken_for_an_answer() {
        let no = RelayError::Refused {
            status: 400,
            message: "banned".to_owned(),
        };
        assert_eq!(asked(&[Err(no)], &[30], 600).await, [0, 1_200]);
    }
}
