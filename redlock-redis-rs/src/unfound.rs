use std::fmt;

use redis::RedisError;

/// Why it is not known where the master is.
#[derive(Debug)]
pub(crate) enum Unfound {
    /// No sentinel has answered: this is what the first to fail tells, if any did.
    Silence(Option<RedisError>),
    /// They know no master of that name.
    Unknown,
    /// They name different ones, none of them most.
    Discord,
}

impl fmt::Display for Unfound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence(None) => f.write_str("none of its sentinels has answered in time"),
            Self::Silence(Some(error)) => write!(f, "none of its sentinels has answered: {error}"),
            Self::Unknown => f.write_str("its sentinels know no master of this name"),
            Self::Discord => f.write_str("its sentinels disagree about who it is"),
        }
    }
}

impl std::error::Error for Unfound {}
