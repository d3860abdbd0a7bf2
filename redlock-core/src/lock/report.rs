use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::shared::Shared;
use crate::{
    NodeError, Quorum, Resource, ResourceSet,
    proto::{Ballot, FailureKind, Refusal, Tally, Vote},
};

/// The tally of one round with names and causes: what every node said.
///
/// Reads as one sentence.
#[derive(Clone)]
pub struct Report {
    action: Action,
    resources: ResourceSet,
    labels: Arc<[Arc<str>]>,
    tally: Tally,
    errors: Vec<(usize, NodeError)>,
    /// How long the nodes had to answer.
    patience: Duration,
    /// Put together when somebody asks: nobody does when a release has gone well.
    nodes: OnceLock<Vec<NodeReport>>,
}

/// What the nodes were asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Take the lock.
    Acquire,
    /// Keep it longer.
    Extend,
    /// Give it up.
    Release,
}

/// What one node said.
#[derive(Clone, Debug)]
pub struct NodeReport {
    label: Arc<str>,
    ballot: Ballot,
    error: Option<NodeError>,
}

impl Report {
    /// The report of a round whose nodes had `patience` to answer.
    pub(super) fn new(
        shared: &Shared,
        action: Action,
        resources: &ResourceSet,
        tally: Tally,
        errors: Vec<(usize, NodeError)>,
        patience: Duration,
    ) -> Self {
        let (resources, labels) = (resources.clone(), Arc::clone(&shared.labels));
        Self { action, resources, labels, tally, errors, patience, nodes: OnceLock::new() }
    }

    /// What the nodes were asked to do.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// The resource that it was about; of [several](Self::resources), the one whose name comes first.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        self.resources.first()
    }

    /// All that it was about: one resource, or those of a set.
    #[must_use]
    pub const fn resources(&self) -> &ResourceSet {
        &self.resources
    }

    /// How many nodes there are and how many had to agree.
    #[must_use]
    pub const fn quorum(&self) -> Quorum {
        self.tally.quorum()
    }

    /// What each node said, in the order in which the nodes were given.
    #[must_use]
    pub fn nodes(&self) -> &[NodeReport] {
        self.nodes.get_or_init(|| {
            let ballots = self.labels.iter().zip(self.tally.ballots()).enumerate();
            ballots.map(|(place, (label, &ballot))| self.node(place, label, ballot)).collect()
        })
    }

    /// How many nodes did what they were asked.
    #[must_use]
    pub fn granted(&self) -> usize {
        let granted =
            |node: &&NodeReport| matches!(node.ballot, Ballot::Cast(Vote::Granted { .. }));
        self.nodes().iter().filter(granted).count()
    }

    /// The ballots, for the rules to count.
    pub(super) const fn tally(&self) -> &Tally {
        &self.tally
    }

    fn node(&self, place: usize, label: &Arc<str>, ballot: Ballot) -> NodeReport {
        let told = self.errors.iter().find(|(node, _)| *node == place).map(|(_, error)| error);
        let error = match ballot {
            // Nobody told: the round itself noted that the time was over.
            Ballot::Failed(failure) if failure.kind == FailureKind::TimedOut => Some(
                told.cloned()
                    .unwrap_or_else(|| NodeError::timed_out(Arc::clone(label), self.patience)),
            ),
            Ballot::Failed(_) => told.cloned(),
            Ballot::Silent | Ballot::Unasked | Ballot::Cast(_) => None,
        };
        NodeReport { label: Arc::clone(label), ballot, error }
    }

    /// The labels of the nodes whose ballot is one of these, if there are any.
    fn labels(&self, which: impl Fn(Ballot) -> bool) -> Option<String> {
        let labels: Vec<_> =
            self.nodes().iter().filter(|node| which(node.ballot)).map(NodeReport::label).collect();
        if labels.is_empty() { None } else { Some(labels.join(", ")) }
    }
}

impl NodeReport {
    /// The label of the node.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What is known of it.
    #[must_use]
    pub const fn ballot(&self) -> Ballot {
        self.ballot
    }

    /// Why it failed, if it did.
    #[must_use]
    pub const fn error(&self) -> Option<&NodeError> {
        self.error.as_ref()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acquire => "acquire",
            Self::Extend => "extend",
            Self::Release => "release",
        })
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("action", &self.action)
            .field("resources", &self.resources)
            .field("quorum", &self.quorum())
            .field("nodes", &self.nodes())
            .finish()
    }
}

impl fmt::Display for Report {
    /// How many nodes did it, how many were needed, and what the others said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.action {
            Action::Acquire => "granted",
            Action::Extend => "extended",
            Action::Release => "released",
        };
        let (granted, quorum) = (self.granted(), self.quorum());
        write!(f, "{granted} of {} nodes {verb}, {} needed", quorum.nodes(), quorum.needed())?;
        let held =
            |ballot| matches!(ballot, Ballot::Cast(Vote::Refused(Refusal::HeldByAnother { .. })));
        if let Some(labels) = self.labels(held) {
            write!(f, "; held by another at {labels}")?;
        }
        if let Some(labels) =
            self.labels(|ballot| matches!(ballot, Ballot::Cast(Vote::Refused(Refusal::NotHeld))))
        {
            write!(f, "; not held at {labels}")?;
        }
        for error in self.nodes().iter().filter_map(NodeReport::error) {
            write!(f, "; {error}")?;
        }
        if let Some(labels) = self.labels(|ballot| matches!(ballot, Ballot::Silent)) {
            write!(f, "; no answer yet from {labels}")?;
        }
        if self.nodes().iter().all(|node| node.ballot == Ballot::Unasked) {
            write!(
                f,
                "; none was asked, for others of this process, or their releases, come first"
            )?;
        }
        Ok(())
    }
}
