//! What a node of this crate is asked, and what it answers.

use std::{fmt, sync::Arc};

use redlock_core::{
    Announced, Cursor, Fence, Inspection, Page, Resource, ResourceSet, Token, Ttl, Vote,
};

use crate::inbox::Subscriber;

/// One of the things that a node can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// [`LockNode::acquire`](redlock_core::LockNode::acquire),
    /// [`Fencing::acquire_counted`](redlock_core::Fencing::acquire_counted), and
    /// [`Sets::acquire_all`](redlock_core::Sets::acquire_all)
    Acquire,
    /// [`LockNode::extend`](redlock_core::LockNode::extend), and
    /// [`Sets::extend_all`](redlock_core::Sets::extend_all)
    Extend,
    /// [`LockNode::release`](redlock_core::LockNode::release),
    /// [`Notifications::release_and_notify`](redlock_core::Notifications::release_and_notify), and
    /// those of [`Sets`](redlock_core::Sets)
    Release,
    /// [`LockNode::inspect`](redlock_core::LockNode::inspect)
    Inspect,
    /// [`Notifications::subscribe`](redlock_core::Notifications::subscribe)
    Subscribe,
    /// [`Notifications::notify`](redlock_core::Notifications::notify)
    Notify,
    /// [`Fencing::raise`](redlock_core::Fencing::raise)
    Raise,
    /// [`Survey::list`](redlock_core::Survey::list)
    List,
    /// [`Survey::reset`](redlock_core::Survey::reset)
    Reset,
    /// [`Accord::agree`](redlock_core::Accord::agree)
    Agree,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acquire => "acquire",
            Self::Extend => "extend",
            Self::Release => "release",
            Self::Inspect => "inspect",
            Self::Subscribe => "subscribe",
            Self::Notify => "notify",
            Self::Raise => "raise",
            Self::List => "list",
            Self::Reset => "reset",
            Self::Agree => "agree",
        })
    }
}

/// Something that a node is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Acquire(Resource, Token, Ttl),
    AcquireCounted(Resource, Token, Ttl, Fence),
    Raise(Resource, Token, Fence),
    Extend(Resource, Token, Ttl),
    Release(Resource, Token),
    ReleaseAndNotify(Resource, Token),
    Inspect(Resource),
    Subscribe(Resource, Subscriber),
    Notify(Resource),
    List(Arc<str>, Option<Cursor>),
    Reset(Resource),
    /// Terms under a name.
    Agree(Resource, Arc<str>),
    AcquireAll(ResourceSet, Token, Ttl),
    ExtendAll(ResourceSet, Token, Ttl),
    ReleaseAll(ResourceSet, Token),
    ReleaseAllAndNotify(ResourceSet, Token),
}

impl Command {
    pub(crate) const fn operation(&self) -> Operation {
        match self {
            Self::Acquire(..) | Self::AcquireCounted(..) | Self::AcquireAll(..) => {
                Operation::Acquire
            }
            Self::Raise(..) => Operation::Raise,
            Self::Extend(..) | Self::ExtendAll(..) => Operation::Extend,
            Self::Release(..)
            | Self::ReleaseAndNotify(..)
            | Self::ReleaseAll(..)
            | Self::ReleaseAllAndNotify(..) => Operation::Release,
            Self::Inspect(..) => Operation::Inspect,
            Self::Subscribe(..) => Operation::Subscribe,
            Self::Notify(..) => Operation::Notify,
            Self::List(..) => Operation::List,
            Self::Reset(..) => Operation::Reset,
            Self::Agree(..) => Operation::Agree,
        }
    }
}

/// What a node answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Vote(Vote),
    Inspection(Inspection),
    Announced(Announced),
    Page(Page),
    /// Whose it was.
    Reset(Option<Token>),
    /// What is agreed on.
    Terms(Arc<str>),
    /// It has done what it was asked, and there is no more to say.
    Done,
}

impl Answer {
    /// The vote that acquire, raise, extend and release are answered with.
    pub(crate) fn vote(self) -> Vote {
        match self {
            Self::Vote(vote) => vote,
            other => unreachable!("a vote was asked for, and {other:?} is none"),
        }
    }

    /// The inspection that [`Command::Inspect`] is answered with.
    pub(crate) fn inspection(self) -> Inspection {
        match self {
            Self::Inspection(inspection) => inspection,
            other => unreachable!("an inspection was asked for, and {other:?} is none"),
        }
    }

    /// What [`Command::ReleaseAndNotify`] and [`Command::ReleaseAllAndNotify`] are answered with.
    pub(crate) fn announced(self) -> Announced {
        match self {
            Self::Announced(announced) => announced,
            other => unreachable!("a release was to be announced, and got {other:?}"),
        }
    }

    /// What [`Command::List`] is answered with.
    pub(crate) fn page(self) -> Page {
        match self {
            Self::Page(page) => page,
            other => unreachable!("a page was asked for, and {other:?} is none"),
        }
    }

    /// What [`Command::Agree`] is answered with.
    pub(crate) fn terms(self) -> String {
        match self {
            Self::Terms(terms) => terms.as_ref().to_owned(),
            other => unreachable!("terms were asked for, and {other:?} are none"),
        }
    }

    /// What [`Command::Reset`] is answered with.
    pub(crate) fn reset(self) -> Option<Token> {
        match self {
            Self::Reset(token) => token,
            other => unreachable!("a resource was to be reset, and got {other:?}"),
        }
    }
}
