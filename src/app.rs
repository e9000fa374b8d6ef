//! The composition root: builds every service once. Nothing else does.

mod health;
mod mail_settings;
mod network;
mod remembered;
mod settings;
mod stored;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use atproto_data::Did;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::account::{AccountServices, Accounts};
use crate::appview::AppView;
use crate::blob::Blobs;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ImportsConfig, Secret};
use crate::crawl::{CrawlRequests, Relay};
use crate::identity::{
    DidDocuments, HandleResolver, KeySealer, PlcClient, ServiceSigner, ServiceVerifier, SigningKeys,
};
use crate::mail::Mail;
use crate::observe::Conditions;
use crate::random::{self, Random, SystemRandom};
use crate::repo::Repos;
use crate::sequencer::Sequencer;
use crate::server::router::RequestIds;
use crate::server::{Limiter, Site};
use crate::store::{Reader, Store, StoreError};

pub(crate) use mail_settings::mail_settings;
use network::Network;
pub(crate) use settings::blobs as blob_settings;
use stored::Stored;

/// What a client may know of the operator's choices (`describeServer`).
#[derive(Clone, Debug)]
pub struct ServerDescription {
    /// The server's own DID.
    pub did: Did,
    /// Whether an account needs an invite code.
    pub invite_code_required: bool,
    /// The largest blob, in bytes.
    pub blob_upload_limit: u64,
    /// Link to the privacy policy.
    pub privacy_policy: Option<String>,
    /// Link to the terms of service.
    pub terms_of_service: Option<String>,
    /// Mail address for questions.
    pub contact_email: Option<String>,
}

/// The running server.
pub struct App {
    /// Accounts and sessions.
    pub accounts: Accounts,
    /// Blobs.
    pub blobs: Blobs,
    /// Repos and their records.
    pub repos: Repos,
    /// The firehose.
    pub sequencer: Sequencer,
    /// Mail to users.
    pub mail: Mail,
    /// DID documents of the network.
    pub dids: DidDocuments,
    /// Handles of the network.
    pub handles: HandleResolver,
    /// Passes calls on to other services.
    pub appview: AppView,
    /// Whether and how large repos may be imported.
    pub imports: ImportsConfig,
    /// The relays that are asked to crawl this server.
    pub relays: Vec<Relay>,
    /// How requests to them ended.
    pub crawl_requests: CrawlRequests,
    /// Makes the tokens with which services are called for accounts.
    pub service_signer: ServiceSigner,
    /// Verifies the tokens of accounts and services that call.
    pub service_verifier: ServiceVerifier,
    /// What clients may know of the operator's choices.
    pub description: ServerDescription,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// What does not work while the rest does.
    conditions: Arc<Conditions>,
    plc: PlcClient,
    /// Whether the last look into the database failed.
    is_unreadable: AtomicBool,
    /// Where data is written.
    directories: Vec<PathBuf>,
    moderation_service: Option<Did>,
    store: Store,
    site: Site,
    admin_password: Secret,
    request_ids: RequestIds,
    limiter: Arc<Limiter>,
    stop: CancellationToken,
    jobs: TaskTracker,
}

/// Why a server cannot start.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;

impl App {
    /// Opens the data directory and builds everything. Nothing runs yet; what will, runs until `stop` is cancelled.
    ///
    /// # Errors
    /// If the data directory, the database or a key cannot be used; the message says what to do.
    pub async fn start(config: &Config, stop: CancellationToken) -> Result<Arc<App>, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let conditions: Arc<Conditions> = Arc::default();
        let Stored {
            store,
            sequencer,
            sealer,
        } = Stored::open(config, &clock, random.as_ref()).await?;
        let keys = Arc::new(SigningKeys::new(store.clone(), Arc::clone(&sealer)));
        let network = Network::reached(config, &clock, &conditions)?;
        let clock_id = u16::from_be_bytes(random::bytes(random.as_ref()));
        let cache_bytes = config.storage.repo_cache_bytes;
        let repos = Repos::new(
            store.clone(),
            Arc::clone(&keys),
            Arc::clone(&clock),
            clock_id,
            cache_bytes,
        );
        let blobs = Blobs::open(
            store.clone(),
            &settings::blobs(config),
            Arc::clone(&clock),
            Arc::clone(&conditions),
        )?;
        remembered::check(config, &store, &blobs).await?;
        let request_ids = RequestIds::starting_at(u64::from_be_bytes(random::bytes(random.as_ref())));
        let jobs = TaskTracker::new();
        let mail = mail(config, &store, &clock, &random, &sealer)?;
        let services = AccountServices {
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            plc: Arc::new(network.plc.clone()),
            sealer,
            dids: network.dids.clone(),
            mail: mail.clone(),
            tasks: jobs.clone(),
        };
        let accounts = Accounts::new(store.clone(), settings::accounts(config), services);
        accounts.release_interrupted().await?;
        let known_documents = Arc::new(network.dids.clone());
        Ok(Arc::new(App {
            accounts,
            blobs,
            repos,
            sequencer,
            mail,
            dids: network.dids,
            handles: network.handles,
            appview: network.appview,
            imports: config.imports.clone(),
            relays: Relay::all(&config.crawlers.relays)?,
            crawl_requests: CrawlRequests::new(store.clone()),
            service_signer: ServiceSigner::new(keys, Arc::clone(&clock), Arc::clone(&random)),
            service_verifier: ServiceVerifier::new(known_documents, Arc::clone(&clock), config.service.did.clone()),
            description: settings::description(config),
            clock: Arc::clone(&clock),
            random,
            conditions,
            plc: network.plc,
            is_unreadable: AtomicBool::new(false),
            directories: settings::directories(config),
            moderation_service: settings::moderation_service(config),
            store,
            site: settings::site(config),
            admin_password: config.secrets.admin_password.clone(),
            request_ids,
            limiter: Arc::new(Limiter::new(settings::limits(config), clock)),
            stop,
            jobs,
        }))
    }

    /// Finishes what is queued and closes the database. Nothing may be asked of the app afterwards.
    pub async fn close(&self) {
        self.jobs.close();
        self.jobs.wait().await;
        self.store.close().await;
    }

    /// Cancelled when the server is to stop.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Where background work runs, so that closing waits for it.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.jobs
    }

    /// The time.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Randomness.
    pub(crate) fn random(&self) -> Arc<dyn Random> {
        Arc::clone(&self.random)
    }

    /// A connection for reads, for jobs that look after the whole database.
    pub(crate) async fn read(&self) -> Result<Reader, StoreError> {
        self.store.read().await
    }

    /// Empties a large write-ahead log while nothing is written.
    ///
    /// # Errors
    /// If the database is closed.
    pub(crate) async fn tidy(&self) -> Result<(), StoreError> {
        self.store.tidy().await
    }

    /// Reads all of a database that was found damaged; writes go on if it is whole.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) async fn look_again_at_damage(&self) -> Result<(), StoreError> {
        self.store.look_again_at_damage().await
    }

    /// The domains under which handles are given out, each with its leading dot.
    pub fn handle_domains(&self) -> &[String] {
        &self.site.handle_domains
    }

    /// How this server is known.
    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// Where request ids come from.
    pub(crate) fn request_ids(&self) -> RequestIds {
        self.request_ids.clone()
    }

    /// How often callers may ask.
    pub(crate) fn limiter(&self) -> &Arc<Limiter> {
        &self.limiter
    }

    /// Microseconds since 1970.
    pub(crate) fn now_micros(&self) -> i64 {
        self.clock.now_micros()
    }

    /// What does not work while the rest does.
    pub(crate) fn conditions(&self) -> &Arc<Conditions> {
        &self.conditions
    }

    /// The PLC directory, for those who ask whether it is there.
    pub(crate) fn plc(&self) -> &PlcClient {
        &self.plc
    }

    /// The directories that data is written to.
    pub(crate) fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// Seconds since 1970.
    pub(crate) fn now_seconds(&self) -> i64 {
        const MICROS_PER_SECOND: i64 = 1_000_000;
        self.clock.now_micros() / MICROS_PER_SECOND
    }

    /// The DID of the moderation service, which may call admin methods.
    pub(crate) fn moderation_service(&self) -> Option<&Did> {
        self.moderation_service.as_ref()
    }

    pub(crate) fn admin_password(&self) -> &str {
        self.admin_password.expose()
    }
}

fn mail(
    config: &Config,
    store: &Store,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
    sealer: &Arc<KeySealer>,
) -> Result<Mail, StartError> {
    let settings = mail_settings(config)?;
    if settings.users.is_none() {
        tracing::info!(
            "no mail server is set (PDS_EMAIL_SMTP_URL or PDS_EMAIL_SMTP_HOST): `pds account code HANDLE PURPOSE` makes the codes \
             that would be mailed"
        );
    }
    let (clock, random, sealer) = (Arc::clone(clock), Arc::clone(random), Arc::clone(sealer));
    Ok(Mail::new(store.clone(), settings, clock, random, sealer)?)
}
