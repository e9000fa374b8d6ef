//! How the server is doing, as `/readyz` and `/xrpc/_health` report it.

/// A snapshot of the server's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Where in its life the process is.
    pub phase: Phase,
    /// Whether the database can be read.
    pub database: Database,
    /// What does not work while the rest does, such as `disk full` or `mail`. Short words, nothing secret.
    pub degraded: Vec<String>,
    /// What the operator should know though everything works. Short words, nothing secret.
    pub notes: Vec<String>,
}

/// Where in its life the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Opening what it needs.
    Starting,
    /// Moving the database to a newer schema.
    Migrating,
    /// Serving.
    Ready,
    /// Finishing what is under way before it ends.
    Draining,
}

/// Whether the database can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// The last read succeeded.
    Readable,
    /// The last read failed.
    Unreadable,
}

impl Health {
    /// Serving, with nothing to complain about.
    pub const fn good() -> Self {
        Self {
            phase: Phase::Ready,
            database: Database::Readable,
            degraded: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether traffic should come here now.
    pub const fn is_ready(&self) -> bool {
        self.not_ready().is_none()
    }

    /// Why no traffic should come here now, if so.
    pub(super) const fn not_ready(&self) -> Option<&'static str> {
        match (self.phase, self.database) {
            (Phase::Starting, _) => Some("starting"),
            (Phase::Migrating, _) => Some("migrating"),
            (Phase::Draining, _) => Some("draining"),
            (Phase::Ready, Database::Unreadable) => Some("database unreadable"),
            (Phase::Ready, Database::Readable) => None,
        }
    }
}
