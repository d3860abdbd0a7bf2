use std::{fmt, sync::Arc};

use redlock_core::{Moment, Resource};

/// Something in a history that cannot have been right.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Anomaly {
    /// Two clients held one resource at the same time.
    Overlap {
        /// What both held.
        resource: Resource,
        /// Who held it first.
        first: Arc<str>,
        /// Who came while it was held.
        second: Arc<str>,
        /// A moment at which both did.
        at: Moment,
    },
    /// Two clients read the same number and both wrote the next, so one update is lost.
    LostUpdate {
        /// What protected the counter.
        resource: Resource,
        /// The number that both read.
        read: u64,
        /// Who wrote.
        clients: [Arc<str>; 2],
    },
    /// Two locks came with the same fencing token.
    FenceTwice {
        /// What was held.
        resource: Resource,
        /// The fencing token.
        fence: u64,
        /// Who had it.
        clients: [Arc<str>; 2],
    },
    /// A later hold came with a fencing token that is not greater.
    FenceOrder {
        /// What was held.
        resource: Resource,
        /// The fencing token of an earlier hold.
        earlier: u64,
        /// The fencing token of a later one.
        later: u64,
    },
    /// A guarded resource accepted a write although it had accepted one with a greater token.
    StaleWrite {
        /// Who wrote.
        client: Arc<str>,
        /// What was written to.
        resource: Resource,
        /// The greatest fencing token before.
        seen: u64,
        /// That of this write.
        fence: u64,
    },
    /// A guarded resource turned a write away although nobody had come with a greater token.
    WronglyRefused {
        /// Who was turned away.
        client: Arc<str>,
        /// What was to be written to.
        resource: Resource,
        /// The fencing token that should have been good enough.
        fence: u64,
    },
    /// A key that nobody will ever release.
    Orphan {
        /// The label of the node that has it.
        node: Arc<str>,
        /// What it locks.
        resource: Resource,
    },
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overlap { resource, first, second, at } => {
                let at = at.since_origin();
                write!(f, "{first} and {second} both held {resource:?} at {at:?}")
            }
            Self::LostUpdate { resource, read, clients: [one, other] } => {
                write!(
                    f,
                    "{one} and {other} both read {read} under {resource:?} and wrote the next"
                )
            }
            Self::FenceTwice { resource, fence, clients: [one, other] } => {
                write!(f, "{one} and {other} both had {resource:?} with fence {fence}")
            }
            Self::FenceOrder { resource, earlier, later } => {
                write!(f, "a later hold of {resource:?} has fence {later}, not above {earlier}")
            }
            Self::StaleWrite { client, resource, seen, fence } => {
                write!(f, "{client} wrote to {resource:?} with fence {fence} after {seen}")
            }
            Self::WronglyRefused { client, resource, fence } => {
                write!(f, "{client} was turned away by {resource:?} with the newest fence, {fence}")
            }
            Self::Orphan { node, resource } => {
                write!(f, "{node} still has a key of {resource:?} that nobody will release")
            }
        }
    }
}
