//! Accounts for tests: a temporary store, a fixed clock, a directory that can be told to fail.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atproto_data::crypto::Curve;
use atproto_data::{Did, SigningKey};
use atproto_plc::{Operation, State, UnsignedOperation};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use super::{AccountServices, AccountSettings, Accounts, InviteEarning, NewAccount};
use crate::clock::fake::FakeClock;
use crate::identity::{DidDocuments, DidDocumentsSettings, KeySealer, PlcDirectory, PlcError};
use crate::mail::testing::mail;
use crate::outbound::{FakeDns, GuardedClient, Reach};
use crate::random::Random;
use crate::random::fake::FakeRandom;
use crate::store::testing::TestStore;

/// How a directory misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It does not.
    None,
    /// It cannot be reached.
    Down,
    /// It takes operations but its answers are lost.
    LosesAnswers,
    /// It takes operations, and then nothing more can be learnt from it.
    DiesAfterTaking,
    /// It answers 500 and takes nothing.
    Fails,
    /// It refuses every operation.
    Refuses,
    /// It takes operations and answers that they were there before.
    TakesAndRefuses,
    /// It never answers submissions; the clock does not move.
    Hangs,
}

/// A PLC directory in memory.
pub(super) struct FakePlc {
    fault: Mutex<Fault>,
    logs: Mutex<HashMap<String, Vec<Operation>>>,
}

impl FakePlc {
    pub(super) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap()
    }

    pub(super) fn take(&self, did: &Did, operation: &Operation) {
        self.logs
            .lock()
            .unwrap()
            .entry(did.to_string())
            .or_default()
            .push(operation.clone());
    }

    /// DIDs that exist and are not tombstoned.
    pub(super) fn living(&self) -> Vec<String> {
        let logs = self.logs.lock().unwrap();
        let alive = logs.iter().filter(|(_, log)| !log.last().unwrap().is_tombstone());
        alive.map(|(did, _)| did.clone()).collect()
    }

    /// Lets the owner of the test's rotation key move a DID to another PDS.
    pub(super) fn move_elsewhere(&self, did: &Did) {
        let last = self.last(did).unwrap();
        let moved = UnsignedOperation::update_from(&last, |state| state.set_pds("https://elsewhere.test")).unwrap();
        self.take(did, &moved.sign(&rotation_key()));
    }

    /// What a DID's newest operation says.
    pub(super) fn state(&self, did: &Did) -> Option<State> {
        self.last(did)?.state()
    }

    pub(super) fn last(&self, did: &Did) -> Option<Operation> {
        self.logs
            .lock()
            .unwrap()
            .get(did.as_str())
            .and_then(|log| log.last().cloned())
    }
}

impl PlcDirectory for FakePlc {
    fn submit<'a>(&'a self, did: &'a Did, operation: &'a Operation) -> BoxFuture<'a, Result<(), PlcError>> {
        let refused = PlcError::Refused {
            status: 400,
            message: "no".to_owned(),
        };
        let known = self.last(did).is_some();
        let fits = operation.prev() == self.last(did).map(|last| last.cid());
        let fault = self.fault();
        if fits && !matches!(fault, Fault::Down | Fault::Fails | Fault::Refuses | Fault::Hangs) {
            assert!(known || operation.did_of_genesis() == *did);
            self.take(did, operation);
        }
        Box::pin(async move {
            match fault {
                Fault::None if fits => Ok(()),
                Fault::None | Fault::Refuses | Fault::TakesAndRefuses => Err(refused),
                Fault::Down => Err(PlcError::Unreachable),
                Fault::LosesAnswers | Fault::DiesAfterTaking => Err(PlcError::NoAnswer),
                Fault::Fails => Err(PlcError::Failed("status 500".to_owned())),
                Fault::Hangs => std::future::pending().await,
            }
        })
    }

    fn last_operation<'a>(&'a self, did: &'a Did) -> BoxFuture<'a, Result<Option<Operation>, PlcError>> {
        let answer = match self.fault() {
            Fault::Down => Err(PlcError::Unreachable),
            Fault::DiesAfterTaking | Fault::Hangs => Err(PlcError::NoAnswer),
            Fault::Fails => Err(PlcError::Failed("status 500".to_owned())),
            Fault::None | Fault::LosesAnswers | Fault::Refuses | Fault::TakesAndRefuses => Ok(self.last(did)),
        };
        Box::pin(std::future::ready(answer))
    }

    fn document<'a>(&'a self, did: &'a Did) -> BoxFuture<'a, Result<Option<Value>, PlcError>> {
        let document = self
            .last(did)
            .filter(|last| !last.is_tombstone())
            .map(|_| json!({"id": did}));
        Box::pin(std::future::ready(Ok(document)))
    }
}

fn rotation_key() -> SigningKey {
    SigningKey::from_bytes(Curve::K256, &[5; 32]).unwrap()
}

fn dids(plc: Arc<dyn PlcDirectory>, clock: Arc<FakeClock>) -> DidDocuments {
    let client = GuardedClient::new(Reach::Public, Arc::new(FakeDns::default())).unwrap();
    let settings = DidDocumentsSettings {
        stale_ttl: Duration::from_hours(1),
        max_ttl: Duration::from_hours(24),
        timeout: Duration::from_secs(3),
    };
    DidDocuments::new(plc, client, clock, settings)
}

/// Accounts and what they stand on.
pub(super) struct TestAccounts {
    pub(super) accounts: Accounts,
    pub(super) test: TestStore,
    pub(super) clock: Arc<FakeClock>,
    pub(super) plc: Arc<FakePlc>,
}

impl TestAccounts {
    pub(super) async fn open() -> TestAccounts {
        let test = TestStore::open().await;
        let clock = Arc::new(FakeClock::new());
        let random: Arc<dyn Random> = Arc::new(FakeRandom::default());
        let plc = Arc::new(FakePlc {
            fault: Mutex::new(Fault::None),
            logs: Mutex::default(),
        });
        let rotation_key = rotation_key();
        let sealer = Arc::new(KeySealer::from_rotation_key(&rotation_key));
        sealer.check(&test.store, &*random).await.unwrap();
        let settings = AccountSettings {
            service_did: "did:web:localhost".parse().unwrap(),
            hostname: "localhost".to_owned(),
            public_url: "http://localhost:2583".to_owned(),
            service_handle_domains: vec![".test".to_owned()],
            invite_required: true,
            invite_earning: Some(InviteEarning {
                interval: Duration::from_hours(24),
                epoch: 0,
            }),
            jwt_secret: Zeroizing::new("jwt-secret".to_owned()),
            plc_rotation_key: rotation_key,
            recovery_did_key: None,
            did_document_with_session: false,
        };
        let (shared_clock, shared_plc) = (Arc::clone(&clock), Arc::clone(&plc));
        let dids = dids(Arc::clone(&plc) as Arc<dyn PlcDirectory>, Arc::clone(&clock));
        let store = test.store.clone();
        let mail = mail(
            // Nobody sends what is in the outbox.
            "smtp://127.0.0.1:9",
            store.clone(),
            Arc::clone(&clock) as _,
            Arc::clone(&random),
            Arc::clone(&sealer),
        );
        let services = AccountServices {
            clock: shared_clock,
            random,
            plc: shared_plc,
            sealer,
            dids,
            mail,
            tasks: TaskTracker::new(),
        };
        let accounts = Accounts::new(store, settings, services);
        TestAccounts {
            accounts,
            test,
            clock,
            plc,
        }
    }

    /// A code for so many accounts.
    pub(super) async fn invite(&self, uses: i64) -> String {
        let mut invites = self
            .accounts
            .create_invites(vec![super::ADMIN.to_owned()], 1, uses)
            .await
            .unwrap();
        invites.remove(0).1.remove(0)
    }

    /// The request of somebody whose handle, address and password come from their name.
    pub(super) fn request(name: &str, invite: &str) -> NewAccount {
        NewAccount {
            handle: format!("{name}.test").parse().unwrap(),
            email: Some(format!("{name}@mail.test")),
            password: Some(format!("{name}-pass")),
            invite_code: Some(invite.to_owned()),
            recovery_key: None,
        }
    }

    pub(super) async fn count(&self, sql: &'static str) -> i64 {
        self.test.integer(sql).await
    }
}

impl Accounts {
    /// An access token as the reference issues it, without a session.
    pub(super) fn sessionless_token(&self, did: &Did) -> String {
        self.0.tokens.issue_sessionless(did, self.now_seconds())
    }
}
