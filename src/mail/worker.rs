//! The worker that sends what is in the outbox.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::Mail;
use super::outbox::WaitingMail;
use super::transport::SendError;
use crate::observe::metrics;
use crate::store::StoreError;

/// Letters that are looked at, and that are sent, at a time.
const BATCH: i64 = 32;
const AT_A_TIME: usize = 4;
/// How long the worker waits when nothing is to be done, and when the database fails.
const IDLE: Duration = Duration::from_hours(1);
const TROUBLE: Duration = Duration::from_secs(10);
/// How long a letter waits after its first, second, … failure, in seconds; then always as long as after the last.
const PAUSES: [i64; 7] = [5, 10, 30, 60, 120, 600, 3_600];
const MICROS_PER_SECOND: i64 = 1_000_000;

impl Mail {
    /// Sends mail until the server stops. What cannot be sent is tried again, until its time is over.
    pub async fn run(&self, stop: CancellationToken) {
        if self.0.users.is_none() && self.0.moderation.is_none() {
            return;
        }
        loop {
            let pause = tokio::select! {
                sent = self.send_due() => sent.unwrap_or_else(|error| {
                    tracing::warn!(%error, "the outbox cannot be read");
                    TROUBLE
                }),
                () = stop.cancelled() => return,
            };
            tokio::select! {
                () = self.rung() => {}
                () = self.0.clock.sleep(pause) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Sends the letters whose time has come; says how long to wait for the next.
    pub(super) async fn send_due(&self) -> Result<Duration, StoreError> {
        loop {
            let due = self.due(BATCH).await?;
            if due.is_empty() {
                break;
            }
            let results: Vec<Result<(), StoreError>> = futures_util::stream::iter(due)
                .map(|mail| self.handle(mail))
                .buffer_unordered(AT_A_TIME)
                .collect()
                .await;
            results.into_iter().collect::<Result<(), _>>()?;
        }
        let next = self.next_try_at().await?;
        let wait = next.map_or(i64::MAX, |next| next - self.0.clock.now_micros());
        Ok(Duration::from_micros(wait.max(0).unsigned_abs()).min(IDLE))
    }

    async fn handle(&self, mail: WaitingMail) -> Result<(), StoreError> {
        let mail_id = mail.mail_id;
        let count = |outcome| metrics::MAIL_SENT.increment([outcome]);
        let (Some(transport), Some(letter)) = (self.transport(mail.kind), self.open(&mail)) else {
            tracing::warn!(mail_id, "a letter cannot be sent with the present settings: dropped");
            count("dropped");
            return self.remove(mail_id).await;
        };
        if mail.expires_at <= self.0.clock.now_micros() {
            tracing::warn!(
                mail_id,
                tries = mail.tries,
                "a letter could not be sent in time: dropped"
            );
            count("dropped");
            return self.remove(mail_id).await;
        }
        let sent = transport.send(&letter, &mail.id()).await;
        let is_failing = matches!(sent, Err(SendError::Failed(_)));
        self.0.failing.store(is_failing, Ordering::Relaxed);
        match sent {
            Ok(()) => {
                count("ok");
                self.remove(mail_id).await
            }
            Err(SendError::Refused(error)) => {
                tracing::warn!(mail_id, error, "the mail server refuses a letter: dropped");
                count("dropped");
                self.remove(mail_id).await
            }
            Err(SendError::Failed(error)) => {
                tracing::warn!(mail_id, error, "a letter could not be sent: tried again later");
                count("failed");
                let pause = usize::try_from(mail.tries).ok().and_then(|tries| PAUSES.get(tries));
                let pause = pause.or(PAUSES.last()).copied().unwrap_or(1) * MICROS_PER_SECOND;
                self.postpone(mail_id, self.0.clock.now_micros() + pause).await
            }
        }
    }
}
