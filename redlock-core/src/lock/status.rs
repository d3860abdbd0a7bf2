use std::{fmt, sync::Arc, time::Duration};

use crate::{Inspection, NodeError, Quorum, Resource, Standing, Token};

/// How it stands with a resource, and what each node said of it.
///
/// As old as the time that it took to ask, and nothing to rely on: whoever wants to know that he
/// has the lock acquires it. Reads as one sentence.
#[derive(Clone, Debug)]
pub struct Status {
    pub(super) resource: Resource,
    pub(super) quorum: Quorum,
    pub(super) standing: Standing,
    pub(super) nodes: Vec<NodeStatus>,
}

/// What one node said of a resource.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    pub(super) label: Arc<str>,
    pub(super) answer: Result<Inspection, NodeError>,
}

impl Status {
    /// The resource.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        &self.resource
    }

    /// How many nodes there are and how many make a quorum.
    #[must_use]
    pub const fn quorum(&self) -> Quorum {
        self.quorum
    }

    /// What a quorum of nodes says.
    #[must_use]
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The holder's token, if a quorum of nodes has it for one.
    #[must_use]
    pub const fn token(&self) -> Option<&Token> {
        match &self.standing {
            Standing::Held { token, .. } => Some(token),
            Standing::Free | Standing::Split | Standing::Unknown => None,
        }
    }

    /// The holder's [owner label](Token::owner), if there is a holder with one.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.token().and_then(Token::owner)
    }

    /// How much longer it is held at least, if somebody has it and nodes can tell:
    /// [`Standing::Held`].
    #[must_use]
    pub const fn remaining(&self) -> Option<Duration> {
        match self.standing {
            Standing::Held { remaining, .. } => remaining,
            Standing::Free | Standing::Split | Standing::Unknown => None,
        }
    }

    /// What each node said, in the order in which the nodes were given.
    #[must_use]
    pub fn nodes(&self) -> &[NodeStatus] {
        &self.nodes
    }

    /// How many nodes say this.
    fn count(&self, which: impl Fn(&Inspection) -> bool) -> usize {
        self.nodes
            .iter()
            .filter_map(|node| node.answer.as_ref().ok())
            .filter(|it| which(it))
            .count()
    }
}

impl NodeStatus {
    /// The label of the node.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What it said, or why it said nothing.
    ///
    /// # Errors
    ///
    /// That of the node.
    pub const fn answer(&self) -> Result<&Inspection, &NodeError> {
        self.answer.as_ref()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (resource, nodes) = (&self.resource, self.quorum.nodes());
        let free = self.count(|inspection| *inspection == Inspection::Free);
        let held = self.count(|inspection| *inspection != Inspection::Free);
        match &self.standing {
            Standing::Free => write!(f, "{resource:?} is free: so say {free} of {nodes} nodes")?,
            Standing::Held { token, remaining } => {
                write!(f, "{resource:?} is held")?;
                if let Some(owner) = token.owner() {
                    write!(f, " by {owner}")?;
                }
                if let Some(remaining) = remaining {
                    // Down to what a person reads.
                    let beyond =
                        Duration::from_nanos((remaining.subsec_nanos() % 1_000_000).into());
                    write!(f, " for {:?} more", remaining.saturating_sub(beyond))?;
                }
                let by = |inspection: &Inspection| matches!(inspection, Inspection::Held { token: other, .. } if other == token);
                write!(f, ": so say {} of {nodes} nodes", self.count(by))?;
            }
            Standing::Split => {
                write!(f, "{resource:?} is held by nobody and cannot be had for now: ")?;
                write!(f, "{held} of {nodes} nodes keep it for tokens without a quorum")?;
            }
            Standing::Unknown => {
                write!(f, "it cannot be told who has {resource:?}: ")?;
                write!(f, "{free} of {nodes} nodes say that it is free, {held} that it is held")?;
            }
        }
        for error in self.nodes.iter().filter_map(|node| node.answer.as_ref().err()) {
            write!(f, "; {error}")?;
        }
        Ok(())
    }
}
