use std::{fmt, time::Duration};

/// What a node may be able to do besides: tell what it has noticed of its store that bears on
/// whether its votes can be relied on.
///
/// Found through [`LockNode::witness`](super::LockNode::witness). Asked at each grant, so it must be
/// cheap: what is known already, not a request.
pub trait Witness: fmt::Debug + Send + Sync {
    /// How far back the store remembers, if that is no further than to its last start: for so long
    /// at least it has been running.
    ///
    /// `None` if it loses nothing that it was told when it restarts, or if that is not known, or if
    /// nobody need care, because the node [does not vote](crate::proto::RestartPolicy) before
    /// everything that it may have forgotten is over.
    fn remembers(&self) -> Option<Duration>;
}
