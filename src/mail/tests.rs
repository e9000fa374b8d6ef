//! The outbox and its worker against a mail server that is good, busy, refusing or gone.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::testing::{Authority, SmtpLogin, SmtpMood, SmtpSink, SmtpTls, branding, mail};
use super::{Code, Language, Letter, Mail, MailKind, MailSettings};
use crate::clock::Clock as _;
use crate::clock::fake::FakeClock;
use crate::identity::KeySealer;
use crate::random::fake::FakeRandom;
use crate::store::StoreError;
use crate::store::testing::TestStore;

const MINUTE: i64 = 60_000_000;

struct TestMail {
    mail: Mail,
    sink: SmtpSink,
    clock: Arc<FakeClock>,
    test: TestStore,
    sealer: Arc<KeySealer>,
}

impl TestMail {
    async fn open() -> TestMail {
        let sink = SmtpSink::start().await;
        let url = sink.url();
        TestMail::open_with(sink, &url).await
    }

    /// Mail by a server that is reached by its address.
    async fn open_with(sink: SmtpSink, url: &str) -> TestMail {
        let test = TestStore::open().await;
        let clock = Arc::new(FakeClock::new());
        let sealer = Arc::new(KeySealer::from_encryption_key(&[1; 32]));
        sealer.check(&test.store, &FakeRandom::default()).await.unwrap();
        let random = Arc::new(FakeRandom::default());
        let mail = mail(
            url,
            test.store.clone(),
            Arc::clone(&clock) as _,
            random,
            Arc::clone(&sealer),
        );
        TestMail {
            mail,
            sink,
            clock,
            test,
            sealer,
        }
    }

    /// Puts a letter into the outbox that nobody wants after 15 minutes.
    async fn queue(&self, to: &str) {
        self.queue_until(to, self.clock.now_micros() + 15 * MINUTE).await;
    }

    async fn queue_until(&self, to: &str, expires_at: i64) {
        let letter = Code::LogIn.letter(to, "alice.test", "ABCDE-FGHIJ", Language::English, &branding());
        let mail = self.mail.prepare(MailKind::User, &letter, expires_at).unwrap();
        let queued = self.test.store.change(move |tx| {
            Box::pin(async move {
                mail.insert(tx.connection()).await?;
                Ok::<_, StoreError>(())
            })
        });
        queued.await.unwrap();
    }

    async fn waiting(&self) -> i64 {
        self.test.integer("SELECT count(*) FROM outgoing_mail").await
    }
}

#[tokio::test]
async fn a_letter_is_sent_once_and_forgotten() {
    let test = TestMail::open().await;
    test.queue("alice@mail.test").await;
    let sealed: Vec<u8> = sqlx::query_scalar("SELECT sealed FROM outgoing_mail")
        .fetch_one(&mut *test.test.store.read().await.unwrap())
        .await
        .unwrap();
    assert!(!sealed.windows(5).any(|window| window == b"ABCDE"), "sealed");
    for _ in 0..2 {
        test.mail.send_due().await.unwrap();
    }
    let mails = test.sink.mails();
    assert_eq!(mails.len(), 1);
    let mail = &mails[0];
    assert_eq!(
        (mail.from.as_str(), &mail.to[..]),
        ("noreply@pds.test", &["alice@mail.test".to_owned()][..])
    );
    assert_eq!(mail.header("Subject").as_deref(), Some("Sign-in Code"));
    assert_eq!(mail.header("From").as_deref(), Some("PDS <noreply@pds.test>"));
    assert_eq!(mail.hello, "pds.test");
    assert_eq!(mail.code().as_deref(), Some("ABCDE-FGHIJ"));
    assert_eq!(test.waiting().await, 0);
}

#[tokio::test]
async fn a_letter_that_is_tried_again_is_the_same_letter() {
    let test = TestMail::open().await;
    test.queue("alice@mail.test").await;
    test.queue("alice@mail.test").await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let due = test.mail.due(10).await.unwrap();
        ids.push(due.iter().map(super::outbox::WaitingMail::id).collect::<Vec<_>>());
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0][0], ids[0][1]);
}

#[tokio::test]
async fn a_full_outbox_says_so() {
    let test = TestMail::open().await;
    let letter = Letter::from_moderator("a@b.test", "x", "y", &branding());
    assert!(test.mail.send(MailKind::Moderation, &letter).await.unwrap());
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
                INSERT INTO outgoing_mail (kind, sealing_key_id, sealed, expires_at, next_try_at) \
                SELECT kind, sealing_key_id, sealed, expires_at, next_try_at FROM outgoing_mail, n";
    let filled = test.test.store.change(move |tx| {
        Box::pin(async move {
            sqlx::query(fill).execute(tx.connection()).await?;
            Ok::<_, StoreError>(())
        })
    });
    filled.await.unwrap();
    assert!(!test.mail.send(MailKind::Moderation, &letter).await.unwrap());
}

#[tokio::test]
async fn a_busy_server_is_tried_again_later_and_later() {
    let test = TestMail::open().await;
    test.queue("alice@mail.test").await;
    test.sink.set(SmtpMood::Busy);
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let pause = test.mail.send_due().await.unwrap();
        assert!(test.mail.is_failing());
        pauses.push(pause.as_secs());
        test.clock.advance(pause);
    }
    assert_eq!(pauses, [5, 10, 30, 60]);
    test.sink.set(SmtpMood::Good);
    assert_eq!(test.mail.send_due().await.unwrap(), Duration::from_hours(1));
    assert!(!test.mail.is_failing());
    assert_eq!((test.sink.mails().len(), test.waiting().await), (1, 0));
}

#[tokio::test]
async fn a_letter_whose_time_is_over_is_dropped() {
    let test = TestMail::open().await;
    test.queue("alice@mail.test").await;
    test.clock.advance(Duration::from_mins(15));
    test.mail.send_due().await.unwrap();
    assert_eq!((test.sink.mails().len(), test.waiting().await), (0, 0));
}

#[tokio::test]
async fn a_refused_letter_and_one_that_cannot_be_opened_are_dropped_and_the_next_is_sent() {
    let test = TestMail::open().await;
    test.sink.set(SmtpMood::Refusing);
    test.queue("nobody@mail.test").await;
    test.mail.send_due().await.unwrap();
    assert!(!test.mail.is_failing());
    test.sink.set(SmtpMood::Good);
    test.queue("alice@mail.test").await;
    let damaged = test.test.store.change(|tx| {
        Box::pin(async move {
            sqlx::query("UPDATE outgoing_mail SET sealed = $1")
                .bind(&b"?"[..])
                .execute(tx.connection())
                .await?;
            Ok::<_, StoreError>(())
        })
    });
    damaged.await.unwrap();
    test.queue("bob@mail.test").await;
    test.mail.send_due().await.unwrap();
    assert_eq!(test.waiting().await, 0);
    let to: Vec<_> = test.sink.mails().into_iter().flat_map(|mail| mail.to).collect();
    assert_eq!(to, ["bob@mail.test"]);
}

#[tokio::test]
async fn what_the_operator_must_mend_drops_no_letter() {
    let test = TestMail::open().await;
    for mood in [
        SmtpMood::RefusingSender,
        SmtpMood::RefusingRelay,
        SmtpMood::RefusingText,
    ] {
        test.queue("alice@mail.test").await;
        test.sink.set(mood);
        let pause = test.mail.send_due().await.unwrap();
        assert!(test.mail.is_failing() && test.waiting().await == 1, "{mood:?}");
        test.sink.set(SmtpMood::Good);
        test.clock.advance(pause);
        test.mail.send_due().await.unwrap();
        assert!(!test.mail.is_failing() && test.waiting().await == 0, "{mood:?}");
    }
    assert_eq!(test.sink.mails().len(), 3);
}

#[tokio::test]
async fn logging_in_works_by_both_mechanisms_and_a_wrong_password_drops_no_letter() {
    let authority = Authority::new();
    let acceptor = authority.acceptor(&["127.0.0.1"]);
    for (tls, scheme, options) in [
        (SmtpTls::FromTheStart(acceptor.clone()), "smtps", ""),
        (SmtpTls::Offered(acceptor.clone()), "smtp", ""),
        (SmtpTls::Offered(acceptor), "smtp", "&requireTLS=true"),
    ] {
        for mechanism in ["PLAIN", "LOGIN"] {
            let sink = SmtpSink::start_with(tls.clone(), SmtpLogin::By(mechanism, "us@pds.test", "s/cret")).await;
            let port = sink.port();
            let url = |password: &str| {
                format!("{scheme}://us%40pds.test:{password}@127.0.0.1:{port}/?tls.rejectUnauthorized=false{options}")
            };
            let wrong = TestMail::open_with(sink.clone(), &url("secret")).await;
            wrong.queue("alice@mail.test").await;
            wrong.mail.send_due().await.unwrap();
            assert!(wrong.mail.is_failing() && wrong.waiting().await == 1);
            let right = TestMail::open_with(sink, &url("s%2Fcret")).await;
            right.queue("alice@mail.test").await;
            right.mail.send_due().await.unwrap();
            assert!(!right.mail.is_failing() && right.waiting().await == 0);
            let mails = right.sink.mails();
            assert!(mails.len() == 1 && mails[0].encrypted, "{scheme} {options} {mechanism}");
        }
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_taken() {
    let acceptor = Authority::new().acceptor(&["127.0.0.1"]);
    for (tls, scheme) in [
        (SmtpTls::FromTheStart(acceptor.clone()), "smtps"),
        (SmtpTls::Offered(acceptor), "smtp"),
    ] {
        let sink = SmtpSink::start_with(tls, SmtpLogin::NotNeeded).await;
        let url = format!("{scheme}://127.0.0.1:{}", sink.port());
        let test = TestMail::open_with(sink, &url).await;
        test.queue("alice@mail.test").await;
        test.mail.send_due().await.unwrap();
        assert!(test.mail.is_failing() && test.sink.mails().is_empty() && test.waiting().await == 1);
    }
}

#[tokio::test]
async fn the_worker_wakes_up_for_new_mail_and_ends_with_the_server() {
    let test = TestMail::open().await;
    let stop = CancellationToken::new();
    let (mail, token) = (test.mail.clone(), stop.clone());
    let worker = tokio::spawn(async move { mail.run(token).await });
    // The idle worker lets the clock run.
    test.queue_until("alice@mail.test", i64::MAX).await;
    test.mail.ring();
    assert_eq!(test.sink.mail(0).await.to, ["alice@mail.test"]);
    // A server that says nothing does not keep ours from stopping.
    test.sink.set(SmtpMood::Silent);
    test.queue_until("bob@mail.test", i64::MAX).await;
    test.mail.ring();
    stop.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn without_a_mail_server_nothing_is_queued() {
    let test = TestMail::open().await;
    let settings = MailSettings {
        users: None,
        moderation: None,
        branding: branding(),
    };
    let (store, clock) = (test.test.store.clone(), Arc::clone(&test.clock) as _);
    let mail = Mail::new(
        store,
        settings,
        clock,
        Arc::new(FakeRandom::default()),
        Arc::clone(&test.sealer),
    )
    .unwrap();
    let letter = Letter::from_moderator("a@b.test", "x", "y", &branding());
    assert!(mail.prepare(MailKind::Moderation, &letter, i64::MAX).is_none());
    assert!(!mail.reaches_users());
    mail.run(CancellationToken::new()).await;
}
