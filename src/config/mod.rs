//! The server's settings: environment variables, read once and turned into typed sections.
//!
//! This is the only room that reads the environment. Each section is a file with its table of settings (name, meaning,
//! default), the struct that the rest of the program sees, and the reading between them. All 93 names of the reference
//! server are known here, so that its operators keep their settings.

pub mod admin;
mod appview;
mod blobs;
mod branding;
mod crawlers;
mod documentation;
mod entryway;
mod error;
mod fetch;
mod firehose;
mod identity;
mod imports;
mod invites;
mod limits;
mod log;
mod mail;
mod oauth;
mod proxy;
mod reader;
mod reports;
mod secret;
mod secrets;
mod service;
mod setting;
mod storage;
mod tables;
#[cfg(test)]
mod tests;
mod unknown;
mod upstream;

use std::collections::HashMap;

pub use appview::AppViewConfig;
pub use blobs::{BlobStoreConfig, BlobsConfig, S3Config};
pub use branding::{BrandingConfig, Colors};
pub use crawlers::CrawlersConfig;
pub use entryway::EntrywayConfig;
pub use error::{ConfigError, Problem};
pub use fetch::FetchConfig;
pub use firehose::FirehoseConfig;
pub use identity::IdentityConfig;
pub use imports::ImportsConfig;
pub use invites::InvitesConfig;
pub use limits::LimitsConfig;
pub use log::{LogConfig, LogLevel};
pub use mail::{MailConfig, Mailbox, SmtpConfig, SmtpHost, SmtpTls};
pub use oauth::{HcaptchaConfig, OAuthConfig};
pub use proxy::ProxyConfig;
pub use reports::ReportsConfig;
pub use secret::Secret;
pub use secrets::SecretsConfig;
pub use service::ServiceConfig;
pub use storage::StorageConfig;
pub use unknown::UnknownSetting;
pub use upstream::Upstream;

use reader::{Findings, Reader};

/// Everything an operator can decide.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who this server is and where it listens.
    pub service: ServiceConfig,
    /// The server's own secrets.
    pub secrets: SecretsConfig,
    /// Where the server keeps its data.
    pub storage: StorageConfig,
    /// DIDs, handles and the PLC directory.
    pub identity: IdentityConfig,
    /// Who may create an account.
    pub invites: InvitesConfig,
    /// Where blobs are kept and how large they may be.
    pub blobs: BlobsConfig,
    /// Repos that move in.
    pub imports: ImportsConfig,
    /// The event stream.
    pub firehose: FirehoseConfig,
    /// Relays that are asked to crawl this server.
    pub crawlers: CrawlersConfig,
    /// The AppView that answers what this server does not.
    pub appview: AppViewConfig,
    /// Where moderation happens.
    pub reports: ReportsConfig,
    /// Requests that are passed on.
    pub proxy: ProxyConfig,
    /// Requests to addresses that users chose.
    pub fetch: FetchConfig,
    /// Outgoing mail.
    pub mail: MailConfig,
    /// The OAuth authorization server.
    pub oauth: OAuthConfig,
    /// Rate limits.
    pub limits: LimitsConfig,
    /// How the server presents itself to people.
    pub branding: BrandingConfig,
    /// One sign-in in front of several servers.
    pub entryway: Option<EntrywayConfig>,
    /// What is logged, and where to.
    pub log: LogConfig,
    not_in_use_yet: Vec<&'static str>,
    warnings: Vec<String>,
    unknown: Vec<UnknownSetting>,
}

impl Config {
    /// Reads the settings of this process.
    ///
    /// # Errors
    /// As [`Config::from_env_map`].
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the environment"
    )]
    pub fn from_env() -> Result<Self, ConfigError> {
        let is_ours = |name: &str| name.starts_with("PDS_") || name.starts_with("LOG_");
        let mut environment = HashMap::new();
        let mut problems = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.into_string().ok().filter(|name| is_ours(name)) else {
                continue;
            };
            match value.into_string() {
                Ok(value) => drop(environment.insert(name, value)),
                Err(_) => problems.push(Problem {
                    name,
                    message: "must be UTF-8 text".to_owned(),
                }),
            }
        }
        if !problems.is_empty() {
            return Err(ConfigError::new(problems));
        }
        Self::from_env_map(&environment)
    }

    /// Reads the settings from `environment`, and the files that `…_FILE` names in it.
    ///
    /// # Errors
    /// Lists every setting that is missing or wrong, says what it wants, and shows no secret.
    pub fn from_env_map(environment: &HashMap<String, String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(environment);
        let service = ServiceConfig::read(&mut reader);
        let hostname = service.as_ref().map(|service| service.hostname.clone());
        let dev_mode = service.as_ref().map(|service| service.dev_mode);
        let secrets = SecretsConfig::read(&mut reader);
        let storage = StorageConfig::read(&mut reader);
        let identity = IdentityConfig::read(&mut reader, hostname.as_deref());
        let invites = InvitesConfig::read(&mut reader, dev_mode);
        let blobs = BlobsConfig::read(&mut reader, &storage.data_directory);
        let imports = ImportsConfig::read(&mut reader);
        let firehose = FirehoseConfig::read(&mut reader);
        let crawlers = CrawlersConfig::read(&mut reader);
        let appview = AppViewConfig::read(&mut reader);
        let reports = ReportsConfig::read(&mut reader);
        let proxy = ProxyConfig::read(&mut reader);
        let fetch = FetchConfig::read(&mut reader, dev_mode);
        let mail = MailConfig::read(&mut reader);
        let oauth = OAuthConfig::read(&mut reader);
        let limits = LimitsConfig::read(&mut reader);
        let branding = BrandingConfig::read(&mut reader, hostname.as_deref());
        let entryway = EntrywayConfig::read(&mut reader);
        let log = LogConfig::read(&mut reader);
        let (
            (service, secrets),
            Findings {
                not_in_use_yet,
                warnings,
            },
        ) = reader.finish(service.zip(secrets))?;
        Ok(Self {
            service,
            secrets,
            storage,
            identity,
            invites,
            blobs,
            imports,
            firehose,
            crawlers,
            appview,
            reports,
            proxy,
            fetch,
            mail,
            oauth,
            limits,
            branding,
            entryway,
            log,
            not_in_use_yet,
            warnings,
            unknown: unknown::unknown_settings(environment),
        })
    }

    /// Names of the settings that were given and that the server does not act on yet, sorted.
    pub fn not_in_use_yet(&self) -> &[&'static str] {
        &self.not_in_use_yet
    }

    /// Remarks for the operator: settings that fit together badly but do not keep the server from starting.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// `PDS_*` variables that are no settings, sorted, with the name that may have been meant.
    pub fn unknown(&self) -> &[UnknownSetting] {
        &self.unknown
    }

    /// The reference of all settings as a Markdown page: `docs/configuration.md`.
    pub fn documentation() -> String {
        documentation::markdown()
    }
}
