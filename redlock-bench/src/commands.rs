//! How many commands servers have been sent: [`Counts`].

use std::collections::BTreeMap;

use redlock_testkit::server::Server;
use serde::Serialize;

use crate::{Failure, monitor::Callers};

/// How often a server has been sent each command, by its own count (`INFO commandstats`).
///
/// That counts what scripts call as well; [`sent`](Self::sent) tells the two apart.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Since the start of all these servers, taken together.
    pub(crate) fn of(servers: &[Server]) -> Result<Self, Failure> {
        let mut counts = Self::default();
        for server in servers {
            counts.add(&server.cmd::<String>(&["INFO", "commandstats"])?);
        }
        Ok(counts)
    }

    /// What came after `earlier`, without what reading it twice costs by itself.
    pub(crate) fn since(&self, earlier: &Self, reading: &Self) -> Self {
        let difference = |(name, count): (&String, &u64)| {
            let before = earlier.get(name) + reading.get(name);
            (name.clone(), count.saturating_sub(before))
        };
        Self(self.0.iter().map(difference).filter(|(_, count)| *count > 0).collect())
    }

    /// How many were sent by clients, given whom each command comes from.
    ///
    /// One that nobody was seen to send counts in full.
    pub(crate) fn sent(&self, callers: &Callers) -> f64 {
        self.0.iter().map(|(name, &count)| count as f64 * callers.sent_part(name)).sum()
    }

    fn add(&mut self, stats: &str) {
        for line in stats.lines().filter_map(|line| line.strip_prefix("cmdstat_")) {
            let Some((name, fields)) = line.split_once(':') else { continue };
            let field = |name: &str| -> u64 {
                let mut fields = fields.trim_end().split(',');
                fields.find_map(|field| field.strip_prefix(name)?.parse().ok()).unwrap_or(0)
            };
            // What a server turns away has been sent all the same.
            let count = field("calls=") + field("rejected_calls=");
            *self.0.entry(name.to_owned()).or_default() += count;
        }
    }

    fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(stats: &str) -> Counts {
        let mut counts = Counts::default();
        counts.add(stats);
        counts
    }

    #[test]
    fn what_scripts_call_and_what_reading_costs_does_not_count() {
        let before = counts("# Commandstats\r\ncmdstat_info:calls=1,usec=9\r\n");
        let reading = counts("cmdstat_info:calls=1,usec=9\r\ncmdstat_client|setname:calls=1\r\n");
        let after = counts(
            "cmdstat_set:calls=10,usec=3,usec_per_call=1.0,rejected_calls=1,failed_calls=0\r\n\
             cmdstat_get:calls=8,usec=3\r\ncmdstat_del:calls=8\r\ncmdstat_evalsha:calls=8\r\n\
             cmdstat_publish:calls=9\r\n\
             cmdstat_info:calls=2\r\ncmdstat_client|setname:calls=1\r\n",
        );
        let seen = "1.0 [0 127.0.0.1:1] \"SET\" \"r\"\n\
                    1.0 [0 lua] \"GET\" \"r\"\n\
                    1.0 [0 lua] \"del\" \"r\"\n\
                    1.0 [0 lua] \"PUBLISH\" \"r\"\n\
                    1.0 [0 lua] \"PUBLISH\" \"r\"\n\
                    1.0 [0 127.0.0.1:1] \"publish\" \"r\"\n";
        let callers = Callers::read(seen.lines());
        let sent = after.since(&before, &reading).sent(&callers);
        // SET, EVALSHA, and a third of what is published.
        assert_eq!(sent, 11.0 + 8.0 + 3.0);
    }

    #[test]
    fn several_servers_count_together() {
        let mut both = counts("cmdstat_set:calls=2\r\n");
        both.add("cmdstat_set:calls=3\r\n");
        assert_eq!(both.sent(&Callers::default()), 5.0);
    }
}
