use std::{convert::Infallible, time::Duration};

/// A setting, or a pair of settings, that cannot make a lock.
///
/// Told at the earliest point that can return it, and always before a byte is sent to a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A lock over no nodes would be granted by nobody.
    #[error("a redlock needs at least one node, none was given")]
    NoNodes,
    /// More nodes than a tally has room for.
    #[error("{given} nodes were given, a redlock counts at most {most}")]
    TooManyNodes {
        /// How many were given.
        given: usize,
        /// How many there may be.
        most: usize,
    },
    /// One node named twice would have two votes.
    #[error("node {label} was given twice, each node must be independent of the others")]
    DuplicateNode {
        /// The label that both have.
        label: String,
    },
    /// Two nodes turned out to be one server behind two addresses, which would have two votes.
    #[error("nodes {first} and {second} are the same server, each node must be independent")]
    SameServer {
        /// The node given first.
        first: String,
        /// The node that is the same server.
        second: String,
    },
    /// A resource has a name.
    #[error("the resource has an empty name")]
    EmptyResource,
    /// A lock of no resources would lock nothing.
    #[error("no resource was given, a lock is of at least one")]
    NoResources,
    /// Several resources are to be locked together, and a node cannot take them at once.
    #[error(
        "{label} cannot take several resources at once: it is of a kind that cannot, or is kept in \
         quarantine after restarts"
    )]
    NoSets {
        /// The label of the node.
        label: String,
    },
    /// Several resources are to be locked together with a fencing token, and there is none for all
    /// of them.
    #[error(
        "a lock of {resources} resources cannot have a fencing token: each of them would need its \
         own, so lock them one by one, or without"
    )]
    FencedSet {
        /// How many resources were given.
        resources: usize,
    },
    /// A token that everybody can guess proves nothing.
    #[error("the token is empty")]
    EmptyToken,
    /// An owner is a short word.
    #[error("the owner has {given} bytes, between 1 and {most} are possible")]
    OwnerLength {
        /// How many were given.
        given: usize,
        /// How many there may be.
        most: usize,
    },
    /// An owner is shown in tables, logs and shells.
    #[error("the owner contains {character:?}, only visible ASCII characters are possible")]
    OwnerCharacter {
        /// The first that is not possible.
        character: char,
    },
    /// Whatever a store is used for would be reset.
    #[error("to reset all locks a prefix is needed, it is empty")]
    EmptyPrefix,
    /// With it, the hash tags of resources would not be tags any more.
    #[error("the key prefix {given:?} opens a brace and has no hash tag in it")]
    KeyPrefix {
        /// The prefix.
        given: String,
    },
    /// Stores count lifetimes in whole milliseconds.
    #[error("the ttl {given:?} is below a millisecond, the shortest that nodes can keep")]
    TtlTooShort {
        /// The ttl asked for.
        given: Duration,
    },
    /// A lifetime that nodes cannot store.
    #[error("the ttl {given:?} is above the longest, {most:?}")]
    TtlTooLong {
        /// The ttl asked for.
        given: Duration,
        /// The longest there may be.
        most: Duration,
    },
    /// The nodes may take so long to answer that nothing of the validity would be left.
    #[error(
        "the ttl {ttl:?} less the drift allowance {drift:?} is not above the node timeout \
         {node_timeout:?}: a slow node would eat the whole validity"
    )]
    TtlWithinTimeout {
        /// The ttl asked for.
        ttl: Duration,
        /// What the drift setting takes from it.
        drift: Duration,
        /// How long nodes may take to answer.
        node_timeout: Duration,
    },
    /// Stores count lifetimes in whole milliseconds, and a value that is never fresh is no use.
    #[error("a cached value cannot be fresh for {given:?}, a millisecond is the shortest")]
    FreshnessTooShort {
        /// For how long it was to be fresh.
        given: Duration,
    },
    /// A lifetime that stores cannot keep.
    #[error(
        "a cached value cannot be fresh for {fresh_for:?} and stale for {stale_for:?}: together \
         they are above the longest, {most:?}"
    )]
    FreshnessTooLong {
        /// For how long it was to be fresh.
        fresh_for: Duration,
        /// For how much longer it was to be kept.
        stale_for: Duration,
        /// The longest that both may be together.
        most: Duration,
    },
    /// A renewal that never waits would do nothing else.
    #[error("the renewal interval is zero")]
    ZeroRenewal,
    /// The first renewal could come when the lock has ended already.
    #[error(
        "a renewal every {interval:?} with a node timeout of {node_timeout:?} is not within the \
         validity {validity:?}"
    )]
    RenewalTooRare {
        /// How often locks were to be renewed.
        interval: Duration,
        /// How long nodes may take to answer.
        node_timeout: Duration,
        /// How long the lock is valid without a renewal.
        validity: Duration,
    },
    /// A lock that may not even be held for its ttl.
    #[error("the longest hold {max_hold:?} is below the ttl {ttl:?}")]
    MaxHoldBelowTtl {
        /// How long the lock may be held in all.
        max_hold: Duration,
        /// The ttl asked for.
        ttl: Duration,
    },
    /// Nodes keep a lock for its ttl and the grace, and there is a longest time for that.
    #[error("the grace {grace:?} and the ttl {ttl:?} are together above the longest, {most:?}")]
    GraceTooLong {
        /// The grace asked for.
        grace: Duration,
        /// The ttl asked for.
        ttl: Duration,
        /// The longest that nodes keep anything.
        most: Duration,
    },
    /// Only as long as nodes keep it can a lock be held that nobody renews any more.
    #[error("the shortest hold {hold_at_least:?} is above the ttl {ttl:?}")]
    MinHoldAboveTtl {
        /// How long the lock is to be held at least.
        hold_at_least: Duration,
        /// The ttl asked for.
        ttl: Duration,
    },
    /// Nothing to take clock, timers and tasks from.
    #[error(
        "no runtime was given, and the feature `tokio` is off that would have been the default"
    )]
    NoRuntime,
    /// Locks are to have fencing tokens, and a node cannot count.
    #[error("{label} cannot count holders, so locks over it have no fencing tokens")]
    NoFencing {
        /// The label of the node.
        label: String,
    },
    /// All clients are to agree on their settings, and a node cannot keep what they agree on.
    #[error("{label} cannot keep what its clients agree on, so they cannot be compared")]
    NoAccord {
        /// The label of the node.
        label: String,
    },
    /// All clients are to agree on the longest that nodes keep a lock.
    #[error(
        "the ttl {ttl:?} and the grace {grace:?} are together above {max_ttl:?}, the longest that \
         was agreed on"
    )]
    TtlAboveAgreed {
        /// The ttl asked for.
        ttl: Duration,
        /// The grace asked for.
        grace: Duration,
        /// The longest of the agreement.
        max_ttl: Duration,
    },
    /// A node that gets no time to answer never votes.
    #[error("the node timeout is zero, no node could answer in time")]
    ZeroNodeTimeout,
    /// A drift factor is a part of the ttl.
    #[error("the drift factor {given} is not at least 0 and below 1")]
    DriftFactor {
        /// The factor, as it was given.
        given: String,
    },
    /// A retry policy without an attempt never asks.
    #[error("the retry policy allows no attempt, at least one is needed")]
    NoAttempts,
    /// A share of randomness is a part of the pause.
    #[error("the jitter {given} is not between 0 and 1")]
    Jitter {
        /// The jitter, as it was given.
        given: String,
    },
    /// An exponential backoff that starts above its own limit.
    #[error("the backoff's first pause {first:?} is above its longest {longest:?}")]
    Backoff {
        /// The first pause.
        first: Duration,
        /// The longest pause.
        longest: Duration,
    },
}

impl From<Infallible> for ConfigError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
