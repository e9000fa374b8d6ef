//! Chance that can be repeated.

use pds::random::{self, SystemRandom};

/// A generator of numbers (SplitMix64) whose seed is printed when a test begins.
#[derive(Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// From the environment variable `PDS_TEST_SEED` if it is set, else from the system; printed, so that a failure can be repeated.
    pub(crate) fn from_environment(test: &str) -> Dice {
        #[expect(clippy::disallowed_methods, reason = "a knob of the tests, not of the server")]
        let given = std::env::var("PDS_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from_be_bytes(random::bytes(&SystemRandom)));
        println!("{test}: PDS_TEST_SEED={seed}");
        Dice(seed)
    }

    /// Another generator that does not depend on how often this one is used from now on.
    pub(crate) fn split(&mut self) -> Dice {
        Dice(self.next())
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
