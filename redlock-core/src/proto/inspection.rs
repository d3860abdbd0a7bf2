use std::time::Duration;

use super::Token;

/// What one node knows of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Inspection {
    /// Nobody has it.
    Free,
    /// Somebody has it.
    Held {
        /// The holder's token.
        token: Token,
        /// How much longer; `None` if the node cannot tell, or keeps it for ever.
        remaining: Option<Duration>,
    },
}
