use std::{fmt, iter};

use super::{
    ConfigError,
    mutant::{self, Mutant},
};

/// How many of the nodes must agree: a strict majority, so that any two quorums share a node.
///
/// Not configurable: with less than a majority two clients hold one lock at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quorum {
    nodes: u8,
}

impl Quorum {
    /// The most nodes that one redlock counts.
    pub const MAX_NODES: usize = 64;

    /// The quorum over this many nodes.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoNodes`] for none, [`ConfigError::TooManyNodes`] above
    /// [`MAX_NODES`](Self::MAX_NODES).
    pub fn of(nodes: usize) -> Result<Self, ConfigError> {
        match u8::try_from(nodes) {
            Ok(0) => Err(ConfigError::NoNodes),
            Ok(count) if nodes <= Self::MAX_NODES => Ok(Self { nodes: count }),
            _ => Err(ConfigError::TooManyNodes { given: nodes, most: Self::MAX_NODES }),
        }
    }

    /// How many nodes there are.
    #[must_use]
    pub fn nodes(self) -> usize {
        usize::from(self.nodes)
    }

    /// How many of them must agree.
    #[must_use]
    pub fn needed(self) -> usize {
        if mutant::is(Mutant::HalfIsQuorum) {
            return self.nodes().div_ceil(2);
        }
        (self.nodes() / 2).saturating_add(1)
    }

    /// How many noes make a quorum of yeses impossible: a blocking minority.
    #[must_use]
    pub fn blocking(self) -> usize {
        self.nodes().saturating_sub(self.needed()).saturating_add(1)
    }

    /// All nodes.
    #[must_use]
    pub fn all(self) -> NodeSet {
        (0..self.nodes()).collect()
    }
}

/// A set of nodes, by their place in the list that the redlock was built from.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeSet(u64);

impl NodeSet {
    /// No nodes.
    pub const EMPTY: Self = Self(0);

    /// Adds a node; places from [`Quorum::MAX_NODES`] on do not exist and are ignored.
    pub fn insert(&mut self, node: usize) {
        self.0 |= bit(node);
    }

    /// Takes a node out.
    pub fn remove(&mut self, node: usize) {
        self.0 &= !bit(node);
    }

    /// Whether the node is in the set.
    #[must_use]
    pub fn contains(self, node: usize) -> bool {
        self.0 & bit(node) != 0
    }

    /// How many nodes are in the set.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether no node is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The nodes that are in this set and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The nodes that are in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The nodes that are in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The places of the nodes in the set, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        // On the way of every round: one step for each node that is there, not for each place.
        iter::from_fn(move || {
            let node = left.trailing_zeros();
            left &= left.checked_sub(1)?;
            Some(node as usize)
        })
    }
}

impl FromIterator<usize> for NodeSet {
    fn from_iter<I: IntoIterator<Item = usize>>(nodes: I) -> Self {
        let mut set = Self::EMPTY;
        nodes.into_iter().for_each(|node| set.insert(node));
        set
    }
}

impl fmt::Debug for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

fn bit(node: usize) -> u64 {
    u32::try_from(node).ok().and_then(|node| 1_u64.checked_shl(node)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_nodes_and_too_many_nodes_are_refused() {
        assert_eq!(Quorum::of(0), Err(ConfigError::NoNodes));
        assert!(Quorum::of(64).is_ok());
        for given in [65, 255, 256, 1000] {
            assert_eq!(Quorum::of(given), Err(ConfigError::TooManyNodes { given, most: 64 }));
        }
    }

    /// R9, exhaustively: over every pair of node sets for every N up to 9.
    #[test]
    fn any_two_quorums_share_a_node_and_a_blocking_minority_stops_each() {
        for nodes in 1..=9_usize {
            let quorum = Quorum::of(nodes).unwrap();
            let sets = || (0..1_u64 << nodes).map(NodeSet);
            for one in sets() {
                let is_quorum = one.len() >= quorum.needed();
                let blocks = one.len() >= quorum.blocking();
                let rest = quorum.all().without(one);
                // A set blocks exactly if the rest is no quorum.
                assert_eq!(blocks, rest.len() < quorum.needed());
                // A set and its complement are never both quorums, so any two quorums meet.
                assert!(!(is_quorum && rest.len() >= quorum.needed()));
                if is_quorum {
                    for other in sets().filter(|set| set.len() >= quorum.needed()) {
                        assert!(!one.and(other).is_empty(), "{one:?} and {other:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_numbers_are_those_of_the_specification() {
        let numbers = |nodes| {
            let quorum = Quorum::of(nodes).unwrap();
            (quorum.nodes(), quorum.needed(), quorum.blocking())
        };
        assert_eq!(numbers(1), (1, 1, 1));
        assert_eq!(numbers(2), (2, 2, 1));
        assert_eq!(numbers(3), (3, 2, 2));
        assert_eq!(numbers(4), (4, 3, 2));
        assert_eq!(numbers(5), (5, 3, 3));
        assert_eq!(numbers(64), (64, 33, 32));
    }

    #[test]
    fn sets_behave_as_sets() {
        let mut set: NodeSet = [0, 3, 63].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 3, 63]);
        assert_eq!(format!("{set:?}"), "{0, 3, 63}");
        set.insert(64);
        set.insert(usize::MAX);
        assert_eq!(set.len(), 3);
        assert!(!set.contains(64) && !set.contains(1) && set.contains(3));
        set.remove(3);
        set.remove(3);
        assert_eq!(set.len(), 2);
        assert_eq!(set.union([1].into_iter().collect()).len(), 3);
        assert_eq!(set.union([0, 1].into_iter().collect()).len(), 3);
        assert_eq!(set.without([0].into_iter().collect()), [63].into_iter().collect());
        assert_eq!(set.and([0, 1].into_iter().collect()), [0].into_iter().collect());
        assert!(NodeSet::EMPTY.is_empty() && !set.is_empty());
        assert_eq!(Quorum::of(3).unwrap().all(), [0, 1, 2].into_iter().collect());
    }
}
