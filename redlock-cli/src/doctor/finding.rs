//! What is found to be wrong: [`Finding`].

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::words::{LONGEST_FINDING, one_line};

/// Something to be said of a node, or of all of them together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    /// The label of the node; `None` if it concerns all.
    pub(crate) node: Option<String>,
    pub(crate) text: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The node cannot vote, or its votes are worth nothing.
    Problem,
    /// Two clients may hold one lock, or locks cost more than they should.
    Risk,
    /// Good to know.
    Note,
}

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Unreachable,
    Refuses,
    SameServer,
    Replica,
    Eviction,
    Cluster,
    OldVersion,
    NoPersistence,
    Appendfsync,
    Restarted,
    Memory,
    Slow,
    Clock,
    EvenNumber,
    SingleNode,
    NoNotifications,
    NoFencing,
    NoListing,
    Replicas,
    Untold,
}

pub(crate) const KINDS: [Kind; 20] = [
    Kind::Unreachable,
    Kind::Refuses,
    Kind::SameServer,
    Kind::Replica,
    Kind::Eviction,
    Kind::Cluster,
    Kind::OldVersion,
    Kind::NoPersistence,
    Kind::Appendfsync,
    Kind::Restarted,
    Kind::Memory,
    Kind::Slow,
    Kind::Clock,
    Kind::EvenNumber,
    Kind::SingleNode,
    Kind::NoNotifications,
    Kind::NoFencing,
    Kind::NoListing,
    Kind::Replicas,
    Kind::Untold,
];

impl Kind {
    /// The name by which scripts know it, and people accept it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Refuses => "refuses",
            Self::SameServer => "same-server",
            Self::Replica => "replica",
            Self::Eviction => "eviction",
            Self::Cluster => "cluster",
            Self::OldVersion => "old-version",
            Self::NoPersistence => "no-persistence",
            Self::Appendfsync => "appendfsync",
            Self::Restarted => "restarted",
            Self::Memory => "memory",
            Self::Slow => "slow",
            Self::Clock => "clock",
            Self::EvenNumber => "even-number",
            Self::SingleNode => "single-node",
            Self::NoNotifications => "no-notifications",
            Self::NoFencing => "no-fencing",
            Self::NoListing => "no-listing",
            Self::Replicas => "replicas",
            Self::Untold => "untold",
        }
    }

    pub(crate) const fn severity(self) -> Severity {
        match self {
            Self::Unreachable
            | Self::Refuses
            | Self::SameServer
            | Self::Replica
            | Self::Eviction
            | Self::Cluster
            | Self::OldVersion => Severity::Problem,
            Self::NoPersistence
            | Self::Appendfsync
            | Self::Restarted
            | Self::Memory
            | Self::Slow
            | Self::Clock
            | Self::EvenNumber
            | Self::SingleNode
            | Self::NoNotifications => Severity::Risk,
            Self::NoFencing | Self::NoListing | Self::Replicas | Self::Untold => Severity::Note,
        }
    }
}

impl Severity {
    const fn name(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Risk => "risk",
            Self::Note => "note",
        }
    }

    const fn style(self) -> Style {
        match self {
            Self::Problem => AnsiColor::Red.on_default().bold(),
            Self::Risk => AnsiColor::Yellow.on_default(),
            Self::Note => Style::new().dimmed(),
        }
    }
}

impl Finding {
    pub(crate) const fn severity(&self) -> Severity {
        self.kind.severity()
    }

    /// For people; in colours, which are left out where there is no terminal.
    pub(crate) fn line(&self, is_accepted: bool) -> String {
        let severity = self.severity();
        let style = if is_accepted { Severity::Note.style() } else { severity.style() };
        let (word, name) = (severity.name(), self.kind.name());
        let accepted = if is_accepted { ", accepted" } else { "" };
        let text = one_line(&self.text, LONGEST_FINDING);
        format!("  {style}{word} [{name}]{accepted}{style:#}: {text}")
    }

    /// For scripts.
    pub(crate) fn to_json(&self, is_accepted: bool) -> Value {
        json!({
            "severity": self.severity().name(),
            "name": self.kind.name(),
            "node": self.node,
            "text": self.text,
            "accepted": is_accepted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_name_of_its_own() {
        for (place, kind) in KINDS.iter().enumerate() {
            assert!(KINDS[..place].iter().all(|other| other.name() != kind.name()));
        }
    }
}
