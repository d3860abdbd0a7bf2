use std::cmp::Ordering;

use super::{
    Ballot, Fence, NodeSet, Quorum, Tally, Vote,
    mutant::{self, Mutant},
};

/// How an attempt whose votes are counted gets its fencing token.
///
/// Each node counts the grants of a resource, and a vote tells the count. The largest of a
/// quorum's votes becomes the fence, and must then stand *exactly* on a quorum of nodes under the
/// attempt's own token: a node that voted it, or that was raised to it while the attempt still had
/// the key. Two such quorums share a node, on which the count grew in between, so fences differ
/// and grow from holder to holder, whatever clocks do and however messages come (SAFETY §2.3).
///
/// A node whose count is larger by the time it is raised does not confirm: the attempt's vote there
/// was lost and given again, perhaps after another holder had the same number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Numbering {
    quorum: Quorum,
    fence: Fence,
    confirmed: NodeSet,
    /// Nodes that were asked to raise their count and have not answered.
    raising: NodeSet,
    /// Nodes that have voted, and are to be asked.
    lower: NodeSet,
    /// Nodes that have voted without a count, or gave no answer when they were asked to raise it.
    failed: NodeSet,
}

impl Numbering {
    /// Of the nodes that have granted.
    pub(super) fn of(tally: &Tally) -> Self {
        let votes = tally.ballots().iter().enumerate().filter_map(|(node, ballot)| match ballot {
            Ballot::Cast(Vote::Granted { counter }) => Some((node, *counter)),
            _ => None,
        });
        let mut numbering = Self {
            quorum: tally.quorum(),
            fence: votes.clone().filter_map(|(_, counter)| counter).max().unwrap_or_default(),
            confirmed: NodeSet::EMPTY,
            raising: NodeSet::EMPTY,
            lower: NodeSet::EMPTY,
            failed: NodeSet::EMPTY,
        };
        for (node, counter) in votes {
            numbering.voted(node, counter);
        }
        numbering
    }

    /// A node has granted, and told its count if it counts.
    pub(super) fn voted(&mut self, node: usize, counter: Option<Fence>) {
        match counter.map(|counter| counter.cmp(&self.fence)) {
            Some(Ordering::Less) => {
                let is_enough = mutant::is(Mutant::LargestIsFence);
                let nodes = if is_enough { &mut self.confirmed } else { &mut self.lower };
                nodes.insert(node);
            }
            Some(Ordering::Equal) => self.confirmed.insert(node),
            Some(Ordering::Greater) => {}
            None => self.failed.insert(node),
        }
    }

    /// The nodes that are to be asked to raise their count now.
    pub(super) fn raise(&mut self) -> NodeSet {
        let nodes = std::mem::replace(&mut self.lower, NodeSet::EMPTY);
        self.raising = self.raising.union(nodes);
        nodes
    }

    /// A node has answered the request to raise its count. The first answer stands.
    pub(super) fn raised(&mut self, node: usize, ballot: Ballot) {
        if !self.raising.contains(node) {
            return;
        }
        self.raising.remove(node);
        match ballot {
            Ballot::Cast(Vote::Granted { counter: Some(counter) }) => {
                if counter == self.fence || mutant::is(Mutant::RaiseIfMine) {
                    self.confirmed.insert(node);
                }
            }
            Ballot::Cast(Vote::Refused(_)) => {}
            _ => self.failed.insert(node),
        }
    }

    /// The time for answers is over.
    pub(super) fn close(&mut self) {
        self.failed = self.failed.union(self.raising).union(self.lower);
        (self.raising, self.lower) = (NodeSet::EMPTY, NodeSet::EMPTY);
    }

    /// The fence, once it [is confirmed](Self::is_confirmed).
    pub(super) const fn fence(&self) -> Fence {
        self.fence
    }

    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed.len() >= self.quorum.needed()
    }

    /// Whether it can still be confirmed, if each of these nodes may vote yet.
    pub(super) fn is_possible(&self, silent: NodeSet) -> bool {
        let open = self.confirmed.union(self.raising).union(self.lower).union(silent);
        open.len() >= self.quorum.needed()
    }

    /// The nodes whose vote is of no use, for a reason that lies with them.
    pub(super) const fn failed(&self) -> NodeSet {
        self.failed
    }
}

#[cfg(test)]
mod tests;
