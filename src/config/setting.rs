//! One row of the table of settings: the single source of names, defaults and documentation.

/// A setting as the operator meets it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// The environment variable.
    pub(super) name: &'static str,
    /// What it does, in one sentence of Markdown.
    pub(super) what: &'static str,
    /// What holds when it is not set.
    pub(super) fallback: Fallback,
    /// Whether the server acts on it.
    pub(super) effect: Effect,
    /// A secret is never printed and may also be given as a file named by `<name>_FILE`.
    pub(super) secret: bool,
}

/// What holds when a setting is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fallback {
    /// Nothing.
    Unset,
    /// This text, read as if the operator had given it.
    Value(&'static str),
    /// A value computed from other settings, described in words.
    Computed(&'static str),
    /// The server does not start without it.
    Required,
}

/// Whether the server acts on a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It does.
    InUse,
    /// The feature is not built yet: the value is checked and reported as not in use.
    NotYet,
    /// It describes something that this server does not have: accepted so that existing settings keep working.
    Never,
}

impl Setting {
    /// An optional setting that is in use.
    pub(super) const fn new(name: &'static str, what: &'static str) -> Self {
        Self {
            name,
            what,
            fallback: Fallback::Unset,
            effect: Effect::InUse,
            secret: false,
        }
    }

    /// With a default, written as the operator would write it.
    pub(super) const fn or(mut self, default: &'static str) -> Self {
        self.fallback = Fallback::Value(default);
        self
    }

    /// With a default that depends on other settings; `description` is for the documentation.
    pub(super) const fn or_computed(mut self, description: &'static str) -> Self {
        self.fallback = Fallback::Computed(description);
        self
    }

    /// The server does not start without it.
    pub(super) const fn required(mut self) -> Self {
        self.fallback = Fallback::Required;
        self
    }

    /// Never printed; also accepted as `<name>_FILE`.
    pub(super) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Its feature is not built yet.
    pub(super) const fn not_yet(mut self) -> Self {
        self.effect = Effect::NotYet;
        self
    }

    /// It can have no effect in this server.
    pub(super) const fn without_effect(mut self) -> Self {
        self.effect = Effect::Never;
        self
    }
}
