//! How much of what a relay lets a new host do is used up, and the request for more.
//!
//! The limits are those that Bluesky's relays publish for hosts that nobody vouched for.

/// Accounts.
const ACCOUNTS: u64 = 100;
/// Events in a second,…
const EVENTS_PER_SECOND: u64 = 50;
/// …in an hour,…
const EVENTS_PER_HOUR: u64 = 2_600;
/// …and in a day.
const EVENTS_PER_DAY: u64 = 21_000;
/// From so much of a limit on the operator is warned, in percent.
const WARN_PERCENT: u64 = 80;

/// One limit and how much of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// What is limited, in words.
    pub what: &'static str,
    /// How much there is.
    pub used: u64,
    /// How much a relay lets a new host have.
    pub limit: u64,
}

/// What a relay limits, and how much of it this server uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Accounts, whatever their status.
    pub accounts: Use,
    /// The most events in a second of the last hour.
    pub second: Use,
    /// Events in the last hour.
    pub hour: Use,
    /// Events in the last 24 hours.
    pub day: Use,
}

impl Use {
    /// Used up, in percent, rounded down.
    pub fn percent(self) -> u64 {
        self.used * 100 / self.limit
    }

    /// Whether it is time to ask for more.
    pub fn is_short(self) -> bool {
        self.percent() >= WARN_PERCENT
    }
}

impl Budget {
    /// The budget of a server with so many accounts and events.
    pub fn new(accounts: u64, busiest_second: u64, last_hour: u64, last_day: u64) -> Budget {
        let of = |what, used, limit| Use { what, used, limit };
        Budget {
            accounts: of("accounts", accounts, ACCOUNTS),
            second: of("events per second", busiest_second, EVENTS_PER_SECOND),
            hour: of("events per hour", last_hour, EVENTS_PER_HOUR),
            day: of("events per day", last_day, EVENTS_PER_DAY),
        }
    }

    /// All limits.
    pub fn uses(&self) -> [Use; 4] {
        [self.accounts, self.second, self.hour, self.day]
    }

    /// A message to a relay's operators that asks for higher limits: twice of what is used, and no less than what is allowed now.
    pub fn request(&self, hostname: &str, contact: Option<&str>) -> String {
        let wanted = |part: Use| part.limit.max(2 * part.used);
        let lines = self.uses().map(|part| {
            format!(
                "- {}: {} now, allowed {}, please allow {}",
                part.what,
                part.used,
                part.limit,
                wanted(part)
            )
        });
        format!(
            "Please raise the limits of our PDS at your relay.\n\n\
             Host: {hostname}\n\
             Contact: {}\n\
             Software: pds {}\n\n\
             {}",
            contact.unwrap_or("<your e-mail address>"),
            env!("CARGO_PKG_VERSION"),
            lines.join("\n")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eighty_percent_is_short() {
        let budget = Budget::new(79, 0, 2_080, 21_000);
        assert_eq!(budget.uses().map(Use::is_short), [false, false, true, true]);
        assert_eq!(budget.accounts.percent(), 79);
    }

    #[test]
    fn the_request_can_be_sent_as_it_is() {
        let text = Budget::new(90, 3, 100, 1_000).request("pds.example.com", Some("admin@example.com"));
        assert!(
            text.contains("Host: pds.example.com\nContact: admin@example.com\n"),
            "{text}"
        );
        assert!(
            text.contains("- accounts: 90 now, allowed 100, please allow 180\n"),
            "{text}"
        );
        assert!(
            text.contains("- events per hour: 100 now, allowed 2600, please allow 2600\n"),
            "{text}"
        );
    }
}
