//! The outbox: mail that is still to be sent, sealed, because there may be a code in it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use sqlx::{Row as _, SqliteConnection};

use super::{Letter, Mail, MailKind};
use crate::identity::sealing::SealedKey;
use crate::store::{Row, StoreError};

/// The most letters that wait; beyond, new ones are dropped: a mail server that is down for long must not fill the disk.
const MAX_WAITING: i64 = 10_000;
/// How long a letter without a code is tried, in µs.
const KEPT_FOR: i64 = 3 * 24 * 60 * 60 * 1_000_000;
/// Bytes of a letter's id.
const ID_BYTES: usize = 16;
/// What the seals of letters are for.
const PURPOSE: &str = "pds outgoing mail v1";

/// A letter ready for the outbox.
#[derive(Debug)]
pub struct OutgoingMail {
    kind: MailKind,
    sealed: SealedKey,
    /// µs since 1970.
    now: i64,
    expires_at: i64,
}

/// A letter in the outbox.
pub(super) struct WaitingMail {
    pub(super) mail_id: i64,
    pub(super) kind: MailKind,
    pub(super) tries: i64,
    pub(super) expires_at: i64,
    sealed: SealedKey,
}

impl Mail {
    /// Makes a letter ready for the outbox; it is dropped if it could not be sent by `expires_at`, µs since 1970. Nothing if no mail
    /// server is set for this kind: then it is only logged, for those who debug.
    pub fn prepare(&self, kind: MailKind, letter: &Letter, expires_at: i64) -> Option<OutgoingMail> {
        if self.transport(kind).is_none() {
            tracing::debug!(
                to = letter.to,
                subject = letter.subject,
                "no mail server is set: a letter is not sent"
            );
            return None;
        }
        Some(OutgoingMail {
            kind,
            sealed: self.seal(letter),
            now: self.0.clock.now_micros(),
            expires_at,
        })
    }

    /// Puts a letter that belongs to no other change into the outbox, for three days at most. Says whether it is there: not if no mail server
    /// is set or too many letters wait.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn send(&self, kind: MailKind, letter: &Letter) -> Result<bool, StoreError> {
        let expires_at = self.0.clock.now_micros().saturating_add(KEPT_FOR);
        let Some(mail) = self.prepare(kind, letter, expires_at) else {
            return Ok(false);
        };
        let stored = self
            .0
            .store
            .change(move |tx| Box::pin(async move { mail.insert(tx.connection()).await }));
        let is_there = stored.await?;
        self.ring();
        Ok(is_there)
    }

    /// Says that there is new mail. To be called after the transaction.
    pub fn ring(&self) {
        self.0.bell.notify_one();
    }

    /// Waits for [`Mail::ring`].
    pub(super) async fn rung(&self) {
        self.0.bell.notified().await;
    }

    fn seal(&self, letter: &Letter) -> SealedKey {
        #[expect(clippy::expect_used, reason = "texts are always JSON")]
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(letter).expect("a letter"));
        self.0.sealer.seal_bytes(&*self.0.random, PURPOSE, &plain)
    }

    /// Opens a waiting letter.
    pub(super) fn open(&self, mail: &WaitingMail) -> Option<Letter> {
        let plain = self.0.sealer.open_bytes(PURPOSE, &mail.sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    /// The letters whose time has come, up to a number.
    pub(super) async fn due(&self, limit: i64) -> Result<Vec<WaitingMail>, StoreError> {
        let rows = sqlx::query(
            "SELECT mail_id, kind, tries, expires_at, sealing_key_id, sealed FROM outgoing_mail \
             WHERE next_try_at <= $1 ORDER BY next_try_at LIMIT $2",
        )
        .bind(self.0.clock.now_micros())
        .bind(limit)
        .fetch_all(&mut *self.0.store.read().await?)
        .await?;
        rows.iter().map(WaitingMail::from_row).collect()
    }

    /// When the next letter's time comes, µs since 1970.
    pub(super) async fn next_try_at(&self) -> Result<Option<i64>, StoreError> {
        let row = sqlx::query("SELECT min(next_try_at) FROM outgoing_mail")
            .fetch_one(&mut *self.0.store.read().await?)
            .await?;
        Ok(row.try_get(0)?)
    }

    /// How many letters wait: new ones, and such that could not be sent yet.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn count_waiting(&self) -> Result<(u64, u64), StoreError> {
        let row = sqlx::query(
            "SELECT count(CASE WHEN tries = 0 THEN 1 END), count(CASE WHEN tries > 0 THEN 1 END) FROM outgoing_mail",
        )
        .fetch_one(&mut *self.0.store.read().await?)
        .await?;
        let number = |column| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
        Ok((number(0)?, number(1)?))
    }

    /// Takes a letter out of the outbox.
    pub(super) async fn remove(&self, mail_id: i64) -> Result<(), StoreError> {
        let removed = self.0.store.change(move |tx| {
            Box::pin(async move {
                sqlx::query("DELETE FROM outgoing_mail WHERE mail_id = $1")
                    .bind(mail_id)
                    .execute(tx.connection())
                    .await?;
                Ok(())
            })
        });
        removed.await
    }

    /// Notes that a letter is to be tried again, at `next_try_at` in µs since 1970.
    pub(super) async fn postpone(&self, mail_id: i64, next_try_at: i64) -> Result<(), StoreError> {
        let postponed = self.0.store.change(move |tx| {
            Box::pin(async move {
                sqlx::query("UPDATE outgoing_mail SET tries = tries + 1, next_try_at = $1 WHERE mail_id = $2")
                    .bind(next_try_at)
                    .bind(mail_id)
                    .execute(tx.connection())
                    .await?;
                Ok(())
            })
        });
        postponed.await
    }
}

impl OutgoingMail {
    /// Puts the letter into the outbox, with the transaction that it tells of. Says whether it is there: not if too many wait.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn insert(&self, connection: &mut SqliteConnection) -> Result<bool, StoreError> {
        let inserted = sqlx::query(
            "INSERT INTO outgoing_mail (kind, sealing_key_id, sealed, expires_at, next_try_at) \
             SELECT $1, $2, $3, $4, $5 WHERE (SELECT count(*) FROM outgoing_mail) < $6",
        )
        .bind(self.kind.as_str())
        .bind(&self.sealed.sealing_key_id)
        .bind(&self.sealed.bytes)
        .bind(self.expires_at)
        .bind(self.now)
        .bind(MAX_WAITING)
        .execute(connection)
        .await?;
        let is_there = inserted.rows_affected() > 0;
        if !is_there {
            tracing::warn!(MAX_WAITING, "the outbox is full: a letter is dropped");
        }
        Ok(is_there)
    }
}

impl WaitingMail {
    /// What tells it from all other letters: a hash of its seal, which is of random numbers.
    pub(super) fn id(&self) -> String {
        let hash = Sha256::digest(&self.sealed.bytes);
        URL_SAFE_NO_PAD.encode(&hash[..ID_BYTES])
    }

    fn from_row(row: &Row) -> Result<WaitingMail, StoreError> {
        Ok(WaitingMail {
            mail_id: row.try_get(0)?,
            kind: match row.try_get(1)? {
                "moderation" => MailKind::Moderation,
                _ => MailKind::User,
            },
            tries: row.try_get(2)?,
            expires_at: row.try_get(3)?,
            sealed: SealedKey {
                sealing_key_id: row.try_get(4)?,
                bytes: row.try_get(5)?,
            },
        })
    }
}
