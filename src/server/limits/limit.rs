//! One limit as a value: how much, in what time, counted on whom.

use std::time::Duration;

use crate::server::input::Input;

/// How often, or how much, something may be done.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Methods that share a limit share its name.
    pub(super) name: &'static str,
    /// So many points…
    pub(super) points: u32,
    /// …in each window of this length.
    pub(super) window: Duration,
    pub(super) per: Per,
    pub(super) cost: fn(&Input) -> u32,
}

/// On whom a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Per {
    /// The client's address. Not enforced where it is hidden behind a proxy that does not tell it.
    Address,
    /// The client's address together with the text in this field of the input.
    AddressAndInput(&'static str),
    /// The client's address, but a call that succeeds does not count.
    FailuresOfAddress,
    /// The account that calls.
    Account,
    /// Everybody together.
    Server,
}

impl Limit {
    /// `points` calls in a window for each client address.
    pub const fn per_address(name: &'static str, points: u32, window: Duration) -> Limit {
        Limit::new(name, points, window, Per::Address)
    }

    /// `points` calls in a window for each client address with the same text in the input's `field`.
    pub const fn per_address_and_input(
        name: &'static str,
        field: &'static str,
        points: u32,
        window: Duration,
    ) -> Limit {
        Limit::new(name, points, window, Per::AddressAndInput(field))
    }

    /// `points` calls that fail in a window for each client address.
    pub const fn failures_per_address(name: &'static str, points: u32, window: Duration) -> Limit {
        Limit::new(name, points, window, Per::FailuresOfAddress)
    }

    /// `points` calls in a window for each account.
    pub const fn per_account(name: &'static str, points: u32, window: Duration) -> Limit {
        Limit::new(name, points, window, Per::Account)
    }

    /// `points` calls in a window, whoever makes them.
    pub const fn server_wide(name: &'static str, points: u32, window: Duration) -> Limit {
        Limit::new(name, points, window, Per::Server)
    }

    /// The limit for calls that cost more or less than one point.
    pub const fn cost(mut self, cost: fn(&Input) -> u32) -> Limit {
        self.cost = cost;
        self
    }

    /// The limit, this many times as wide.
    pub(super) const fn widened(mut self, times: u32) -> Limit {
        self.points = self.points.saturating_mul(times);
        self
    }

    const fn new(name: &'static str, points: u32, window: Duration, per: Per) -> Limit {
        Limit {
            name,
            points,
            window,
            per,
            cost: one,
        }
    }
}

fn one(_: &Input) -> u32 {
    1
}
