use std::time::Duration;

use super::{Drift, Ttl};

/// What a node does after its store has restarted, and may have forgotten locks that are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestartPolicy {
    /// It votes at once: right for a store that loses nothing, a risk with any other.
    #[default]
    Trust,
    /// It does not vote before [every lock that it may have forgotten](Self::quarantine) has ended.
    Quarantine {
        /// The longest lifetime that any client asks of the store, grace included. A node refuses
        /// to keep anything longer: one client with a longer ttl would undo what this is for.
        max_ttl: Ttl,
    },
}

impl RestartPolicy {
    /// For how long a store that has just started does not vote, by its own clock; zero if it
    /// does.
    ///
    /// The longest ttl, what clocks may be apart over that, and a second, because stores tell how long
    /// they have been running in whole seconds (requirement R39).
    #[must_use]
    pub fn quarantine(self, drift: Drift) -> Duration {
        match self {
            Self::Trust => Duration::ZERO,
            Self::Quarantine { max_ttl } => {
                let forgotten = max_ttl.get().saturating_add(drift.allowance(max_ttl));
                forgotten.saturating_add(Duration::from_secs(1))
            }
        }
    }

    /// The longest ttl that may be asked for, if there is one.
    #[must_use]
    pub const fn max_ttl(self) -> Option<Ttl> {
        match self {
            Self::Trust => None,
            Self::Quarantine { max_ttl } => Some(max_ttl),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarantine_outlasts_the_longest_lock() {
        let max_ttl = Ttl::new(Duration::from_secs(30)).unwrap();
        let policy = RestartPolicy::Quarantine { max_ttl };
        let expected = Duration::from_millis(30_000 + 300 + 2 + 1000);
        assert_eq!(policy.quarantine(Drift::default()), expected);
        assert_eq!(policy.max_ttl(), Some(max_ttl));
        assert_eq!(RestartPolicy::default().quarantine(Drift::default()), Duration::ZERO);
        assert_eq!(RestartPolicy::Trust.max_ttl(), None);
        let longest = RestartPolicy::Quarantine { max_ttl: Ttl::MAX };
        assert!(longest.quarantine(Drift::default()) > Ttl::MAX.get());
    }
}
