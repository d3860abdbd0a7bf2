use std::{num::NonZeroU32, time::Duration};

/// Which way bytes go through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From clients to the server.
    Requests,
    /// From the server to clients.
    Replies,
}

/// What happens to bytes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flow {
    /// They pass.
    #[default]
    Pass,
    /// They are kept until the flow is another one.
    Hold,
    /// They arrive nowhere. The connection stays until the flow is another one, then it ends.
    ///
    /// Of requests, it makes a server that accepts connections and never answers.
    Lose,
    /// So many of them pass, then the connection that they were on is cut: a client sees half a
    /// reply. Holds for one connection; then bytes [pass](Self::Pass) again.
    CutAfter(usize),
    /// They pass so much later. What arrives while others are delayed is delayed after them.
    Delay(Duration),
    /// So many bytes of a connection pass per second, one by one.
    Throttle(NonZeroU32),
}

/// The bytes that a proxy has seen since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Those to the server.
    pub requests: Count,
    /// Those to clients.
    pub replies: Count,
    /// How many connections to the server there have been.
    pub connections: u64,
}

/// Bytes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Count {
    /// They came to the proxy.
    pub arrived: u64,
    /// They left it where they were going. They are counted after that, so the reply to a request
    /// may be there before the request is counted.
    pub passed: u64,
    /// They were [lost](Flow::Lose).
    pub lost: u64,
}

impl Traffic {
    /// The bytes of this direction.
    #[must_use]
    pub const fn of(&self, direction: Direction) -> Count {
        match direction {
            Direction::Requests => self.requests,
            Direction::Replies => self.replies,
        }
    }

    pub(super) const fn of_mut(&mut self, direction: Direction) -> &mut Count {
        match direction {
            Direction::Requests => &mut self.requests,
            Direction::Replies => &mut self.replies,
        }
    }
}
