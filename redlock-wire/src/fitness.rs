use std::fmt;

/// The sections of `INFO` that [`Introduction`](crate::Introduction) and [`Unfit`] are read from,
/// each to be asked for by a command of its own: only newer servers take several at once, and all
/// sections together are three times as long.
pub const INFO_SECTIONS: [&str; 4] = ["server", "memory", "replication", "persistence"];

/// Why a server must not vote, although it is there and answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unfit {
    /// It is a replica: it takes no writes, and what it tells is old (requirement R13).
    Replica,
    /// It may throw a held lock away to make room (requirement R12).
    Evicts {
        /// Its `maxmemory-policy`.
        policy: String,
        /// Its `maxmemory`, in bytes.
        maxmemory: u64,
    },
}

impl Unfit {
    /// What is wrong with a server, from what it answers to `INFO replication`: nothing, as far as
    /// that text tells.
    #[must_use]
    pub fn by_role(info: &str) -> Option<Self> {
        (field(info, "role") == Some("slave")).then_some(Self::Replica)
    }

    /// What is wrong with a server, from what it answers to `INFO memory`: nothing, as far as that
    /// text tells.
    ///
    /// Every policy but `noeviction` may take a lock: the `volatile-*` ones choose among the keys
    /// that have an expiry, as locks have. Without a limit nothing is ever evicted, whatever the
    /// policy, so such a server is fit.
    #[must_use]
    pub fn by_memory(info: &str) -> Option<Self> {
        let policy = field(info, "maxmemory_policy").filter(|&policy| policy != "noeviction")?;
        let maxmemory = field(info, "maxmemory")?.parse().ok().filter(|&bytes| bytes > 0)?;
        // It is shown, and comes from outside.
        let policy = policy.chars().filter(|c| c.is_ascii_graphic()).take(32).collect();
        Some(Self::Evicts { policy, maxmemory })
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replica => f.write_str("it is a replica, and only masters vote"),
            Self::Evicts { policy, maxmemory } => write!(
                f,
                "it may evict held locks: its maxmemory-policy is {policy} with a maxmemory of \
                 {maxmemory} bytes, and must be noeviction"
            ),
        }
    }
}

impl std::error::Error for Unfit {}

/// Whether a server that answers a question about itself with this code goes on unknown: it does not
/// tell, or does not know what is asked, and never will.
///
/// Any other error may pass (`BUSY` with a script, no password yet): what such a server has not told
/// when it was connected to, nobody would ever ask it again.
#[must_use]
pub fn is_reticence(code: &str) -> bool {
    matches!(code, "NOPERM" | "ERR")
}

/// The value of a line `name:value`.
pub(crate) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_unfit_and_a_master_is_not() {
        let replica = "# Replication\r\nrole:slave\r\nmaster_host:127.0.0.1\r\n";
        assert_eq!(Unfit::by_role(replica), Some(Unfit::Replica));
        for fit in ["", "# Replication\r\n", "# Replication\r\nrole:master\r\n", "xrole:slave\r\n"]
        {
            assert_eq!(Unfit::by_role(fit), None, "{fit:?}");
        }
    }

    #[test]
    fn a_server_is_unfit_if_it_has_a_limit_and_evicts_at_it() {
        let memory = |limit: &str, policy: &str| {
            Unfit::by_memory(&format!(
                "# Memory\r\nused_memory:1\r\nmaxmemory:{limit}\r\nmaxmemory_human:0B\r\n\
                 maxmemory_policy:{policy}\r\n"
            ))
        };
        for policy in ["allkeys-lru", "allkeys-random", "volatile-lru", "volatile-ttl"] {
            let policy = policy.to_owned();
            assert_eq!(memory("0", &policy), None);
            let unfit = Unfit::Evicts { policy: policy.clone(), maxmemory: 7 };
            assert_eq!(memory("7", &policy), Some(unfit));
        }
        assert_eq!(memory("7", "noeviction"), None);
        assert_eq!(memory("many", "allkeys-lru"), None);
        assert_eq!(Unfit::by_memory("maxmemory:7\r\n"), None, "older than the policy's line");
    }

    #[test]
    fn what_is_wrong_reads_as_the_rest_of_a_sentence() {
        let unfit = Unfit::Evicts { policy: "allkeys-lru".into(), maxmemory: 1_048_576 };
        assert_eq!(
            unfit.to_string(),
            "it may evict held locks: its maxmemory-policy is allkeys-lru with a maxmemory of \
             1048576 bytes, and must be noeviction"
        );
        assert_eq!(Unfit::Replica.to_string(), "it is a replica, and only masters vote");
    }
}
