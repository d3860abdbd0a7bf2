use std::sync::Arc;

use redlock_core::{Moment, Resource};

/// A stretch of time in which a client certainly believed that it held a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub(super) client: Arc<str>,
    pub(super) resource: Resource,
    pub(super) from: Moment,
    pub(super) to: Moment,
    pub(super) fence: Option<u64>,
}

/// A lock that was had with a fencing token, whatever became of it afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub(super) client: Arc<str>,
    pub(super) resource: Resource,
    pub(super) fence: u64,
    pub(super) asked: Moment,
    pub(super) given: Moment,
}

/// A counter that is read and then written, which only a lock protects: the way in which overlap
/// does harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub(super) client: Arc<str>,
    pub(super) resource: Resource,
    pub(super) read: u64,
    pub(super) outcome: Outcome,
}

/// A write to a resource that turns away whoever comes with an older fencing token than it has
/// seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub(super) client: Arc<str>,
    pub(super) resource: Resource,
    pub(super) fence: u64,
    pub(super) outcome: Outcome,
}

/// What came of an update or a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It happened.
    Done,
    /// It did not happen.
    Refused,
    /// Nobody knows: the answer was lost, or the client died.
    Unknown,
}

#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) holds: Vec<Hold>,
    pub(super) grants: Vec<Grant>,
    pub(super) updates: Vec<Update>,
    pub(super) writes: Vec<Write>,
    /// Node and resource.
    pub(super) orphans: Vec<(Arc<str>, Resource)>,
}

impl Hold {
    /// The client held the resource at `from`, at `to` and at every moment in between.
    #[must_use]
    pub fn new(client: impl Into<Arc<str>>, resource: Resource, from: Moment, to: Moment) -> Self {
        Self { client: client.into(), resource, from, to: to.max(from), fence: None }
    }

    /// The same, with the fencing token that came with it.
    #[must_use]
    pub fn fenced(self, fence: u64) -> Self {
        Self { fence: Some(fence), ..self }
    }
}

impl Grant {
    /// The client asked for the lock not before `asked`, and had it with this fence at `given`.
    ///
    /// An attempt of which nobody knows what came of it has no fence, and is none of these: it may
    /// have used numbers up, and that is all.
    #[must_use]
    pub fn new(
        client: impl Into<Arc<str>>,
        resource: Resource,
        fence: u64,
        asked: Moment,
        given: Moment,
    ) -> Self {
        Self { client: client.into(), resource, fence, asked, given: given.max(asked) }
    }
}

impl Update {
    /// The client read this number and wrote the next.
    #[must_use]
    pub fn new(
        client: impl Into<Arc<str>>,
        resource: Resource,
        read: u64,
        outcome: Outcome,
    ) -> Self {
        Self { client: client.into(), resource, read, outcome }
    }
}

impl Write {
    /// The client came with this fencing token.
    #[must_use]
    pub fn new(
        client: impl Into<Arc<str>>,
        resource: Resource,
        fence: u64,
        outcome: Outcome,
    ) -> Self {
        Self { client: client.into(), resource, fence, outcome }
    }
}
