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
}

impl Numbering {
    /// Of the nodes that have granted. Those that did not count cannot confirm.
    pub(super) fn of(tally: &Tally) -> Self {
        let counts = tally.ballots().iter().enumerate().filter_map(|(node, ballot)| match ballot {
            Ballot::Cast(Vote::Granted { counter: Some(counter) }) => Some((node, *counter)),
            _ => None,
        });
        let fence = counts.clone().map(|(_, counter)| counter).max().unwrap_or_default();
        let (mut confirmed, mut lower) = (NodeSet::EMPTY, NodeSet::EMPTY);
        for (node, counter) in counts {
            if counter == fence {
                confirmed.insert(node);
            } else {
                lower.insert(node);
            }
        }
        if mutant::is(Mutant::LargestIsFence) {
            confirmed = confirmed.union(lower);
            lower = NodeSet::EMPTY;
        }
        Self { quorum: tally.quorum(), fence, confirmed, raising: NodeSet::EMPTY, lower }
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

    /// The nodes that are to be asked to raise their count now.
    pub(super) fn raise(&mut self) -> NodeSet {
        let nodes = std::mem::replace(&mut self.lower, NodeSet::EMPTY);
        self.raising = self.raising.union(nodes);
        nodes
    }

    /// One more node has voted.
    pub(super) fn voted(&mut self, node: usize, counter: Fence) {
        match counter.cmp(&self.fence) {
            std::cmp::Ordering::Less => self.lower.insert(node),
            std::cmp::Ordering::Equal => self.confirmed.insert(node),
            std::cmp::Ordering::Greater => {}
        }
    }

    /// A node has answered the request to raise its count.
    pub(super) fn raised(&mut self, node: usize, ballot: Ballot) {
        if !self.raising.contains(node) {
            return;
        }
        self.raising.remove(node);
        if let Ballot::Cast(Vote::Granted { counter: Some(counter) }) = ballot
            && (counter == self.fence || mutant::is(Mutant::RaiseIfMine))
        {
            self.confirmed.insert(node);
        }
    }

    /// The time for answers is over.
    pub(super) fn close(&mut self) {
        (self.raising, self.lower) = (NodeSet::EMPTY, NodeSet::EMPTY);
    }
}
