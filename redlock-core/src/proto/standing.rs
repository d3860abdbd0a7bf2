use std::time::Duration;

use super::{Drift, Inspection, Quorum, Token};

/// How it stands with a resource, by what a quorum of nodes says and not by the first that answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Nobody has it, and on a quorum of nodes it is free to be taken.
    Free,
    /// A quorum of nodes has it for one token.
    Held {
        /// The holder's token.
        token: Token,
        /// For how much longer a quorum of nodes keeps it for this token, less the allowance for
        /// [`Drift`], if nobody extends it: at least so long, as far as nodes told. `None` if
        /// fewer than a quorum can tell. Zero is possible: then it is about to end.
        remaining: Option<Duration>,
    },
    /// Nobody has it, and for now nobody can take it: too many nodes have it for tokens that have
    /// no quorum. These are the votes of attempts that are under way or got into each other's
    /// way, or what is left of a lock that was released or has expired elsewhere.
    Split,
    /// So many nodes failed to answer that it cannot be told.
    Unknown,
}

impl Standing {
    /// How it stands when each node has told this, or nothing, in answer to a question that was
    /// asked so long ago.
    ///
    /// A node that told nothing may have it for anybody. So every decision but
    /// [`Unknown`](Self::Unknown) stands whatever the silent nodes would say, except that
    /// [`Split`](Self::Split) may be [`Free`](Self::Free) and that there may be more time
    /// remaining.
    #[must_use]
    pub fn of(quorum: Quorum, told: &[Option<Inspection>], ago: Duration, drift: Drift) -> Self {
        let held = |wanted: &Token| {
            let mine = |inspection: &&Inspection| matches!(inspection, Inspection::Held { token, .. } if token == wanted);
            told.iter().flatten().filter(mine).count()
        };
        let most = told.iter().flatten().filter_map(|inspection| match inspection {
            Inspection::Held { token, .. } => Some((held(token), token)),
            Inspection::Free => None,
        });
        let most = most.max_by_key(|(votes, _)| *votes);
        let votes = most.map_or(0, |(votes, _)| votes);
        if let Some((_, token)) = most.filter(|_| votes >= quorum.needed()) {
            let remaining =
                remaining(quorum, told, token).map(|left| drift.within(left).saturating_sub(ago));
            return Self::Held { token: token.clone(), remaining };
        }
        let silent = quorum.nodes().saturating_sub(told.iter().flatten().count());
        if votes.saturating_add(silent) >= quorum.needed() {
            return Self::Unknown;
        }
        let free = told.iter().flatten().filter(|told| **told == Inspection::Free).count();
        if free >= quorum.needed() { Self::Free } else { Self::Split }
    }

    /// Whether it is known that somebody has it, or that nobody has; `None` if it is not known.
    #[must_use]
    pub const fn is_held(&self) -> Option<bool> {
        match self {
            Self::Held { .. } => Some(true),
            Self::Free | Self::Split => Some(false),
            Self::Unknown => None,
        }
    }
}

/// Until fewer than a quorum of nodes keep it for this token. A node that cannot tell counts as one
/// that keeps it no longer: that is never too much.
fn remaining(quorum: Quorum, told: &[Option<Inspection>], wanted: &Token) -> Option<Duration> {
    let mut times: Vec<Duration> = told
        .iter()
        .flatten()
        .filter_map(|inspection| match inspection {
            Inspection::Held { token, remaining } if token == wanted => *remaining,
            Inspection::Held { .. } | Inspection::Free => None,
        })
        .collect();
    times.sort_unstable_by(|one, other| other.cmp(one));
    times.get(quorum.needed().saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str) -> Token {
        Token::from_bytes(name.as_bytes()).unwrap()
    }

    fn held(name: &str, seconds: u64) -> Option<Inspection> {
        let remaining = Some(Duration::from_secs(seconds));
        Some(Inspection::Held { token: token(name), remaining })
    }

    const FREE: Option<Inspection> = Some(Inspection::Free);

    fn none() -> Drift {
        Drift::new(0.0, Duration::ZERO).unwrap()
    }

    fn standing(told: &[Option<Inspection>]) -> Standing {
        Standing::of(Quorum::of(told.len()).unwrap(), told, Duration::ZERO, none())
    }

    fn held_for(name: &str, seconds: u64) -> Standing {
        Standing::Held { token: token(name), remaining: Some(Duration::from_secs(seconds)) }
    }

    #[test]
    fn a_quorum_says_how_it_stands() {
        let forever = || Some(Inspection::Held { token: token("a"), remaining: None });
        for (told, expected) in [
            (vec![FREE], Standing::Free),
            (vec![None], Standing::Unknown),
            (vec![held("a", 3)], held_for("a", 3)),
            (vec![held("a", 3), held("a", 5), held("a", 9)], held_for("a", 5)),
            (vec![held("a", 3), held("a", 5), FREE], held_for("a", 3)),
            (vec![held("a", 3), held("a", 5), None], held_for("a", 3)),
            (vec![held("a", 3), held("b", 5), held("a", 9)], held_for("a", 3)),
            (vec![held("a", 3), held("b", 5), held("c", 9)], Standing::Split),
            (vec![held("a", 3), held("b", 5), FREE], Standing::Split),
            (vec![held("a", 3), held("b", 5), None], Standing::Unknown),
            (vec![held("a", 3), FREE, FREE], Standing::Free),
            (vec![held("a", 3), FREE, None], Standing::Unknown),
            (vec![FREE, FREE, None], Standing::Free),
            (vec![FREE, None, None], Standing::Unknown),
            (vec![held("a", 3), held("a", 3), FREE, FREE], Standing::Split),
            (
                vec![forever(), forever(), held("a", 1)],
                Standing::Held { token: token("a"), remaining: None },
            ),
            (vec![forever(), held("a", 7), held("a", 1)], held_for("a", 1)),
        ] {
            assert_eq!(standing(&told), expected, "{told:?}");
        }
    }

    #[test]
    fn what_is_left_is_counted_from_the_question_and_less_the_drift() {
        let told = [held("a", 100), held("a", 200), None];
        let (quorum, ago) = (Quorum::of(3).unwrap(), Duration::from_millis(500));
        let left = |drift| match Standing::of(quorum, &told, ago, drift) {
            Standing::Held { remaining, .. } => remaining.unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(left(none()), Duration::from_millis(99_500));
        assert_eq!(left(Drift::default()), Duration::from_millis(98_498));
        let about_to_end = [held("a", 0), held("a", 0), held("a", 0)];
        let standing = Standing::of(quorum, &about_to_end, ago, Drift::default());
        assert_eq!(standing, held_for("a", 0));
    }

    /// What is true of a resource when every node is known, one way or another.
    fn truth(quorum: Quorum, nodes: &[Inspection]) -> (Option<Token>, bool) {
        let votes = |wanted: &str| {
            let mine = |node: &&Inspection| matches!(node, Inspection::Held { token: held, .. } if *held == token(wanted));
            nodes.iter().filter(mine).count()
        };
        let holder = ["a", "b", "c"].into_iter().find(|name| votes(name) * 2 > quorum.nodes());
        let free = nodes.iter().filter(|node| **node == Inspection::Free).count();
        (holder.map(token), free * 2 > quorum.nodes())
    }

    /// All lists of this length made of these.
    fn lists<T: Clone>(of: &[T], length: usize) -> Vec<Vec<T>> {
        (0..length).fold(vec![Vec::new()], |lists, _| {
            let longer = lists.iter().flat_map(|list| {
                of.iter().map(|one| [list.as_slice(), std::slice::from_ref(one)].concat())
            });
            longer.collect()
        })
    }

    #[test]
    fn it_is_what_would_be_true_whatever_the_silent_nodes_said() {
        let answers = [None, FREE, held("a", 1), held("a", 2), held("b", 3)];
        let hidden = [FREE, held("a", 9), held("b", 9), held("c", 9)].map(Option::unwrap);
        let mut seen = 0;
        for nodes in 1..=5_usize {
            let quorum = Quorum::of(nodes).unwrap();
            for told in lists(&answers, nodes) {
                let silent = told.iter().filter(|told| told.is_none()).count();
                let truths: Vec<_> = lists(&hidden, silent)
                    .into_iter()
                    .map(|said| {
                        let mut said = said.into_iter();
                        let all: Vec<_> = told
                            .iter()
                            .map(|told| told.clone().or_else(|| said.next()).unwrap())
                            .collect();
                        truth(quorum, &all)
                    })
                    .collect();
                let holder = &truths[0].0;
                match standing(&told) {
                    Standing::Held { token, remaining } => {
                        assert!(
                            truths.iter().all(|(holder, _)| *holder == Some(token.clone())),
                            "{told:?}"
                        );
                        // At that moment a quorum still has it, and right after that no more.
                        let left = remaining.unwrap();
                        let then = |moment: Duration| {
                            let lives = |node: &&Option<Inspection>| matches!(node, Some(Inspection::Held { token: other, remaining }) if *other == token && remaining.unwrap() >= moment);
                            told.iter().filter(lives).count() * 2 > nodes
                        };
                        assert!(then(left) && !then(left + Duration::from_nanos(1)), "{told:?}");
                    }
                    Standing::Free => {
                        assert!(truths.iter().all(|truth| *truth == (None, true)), "{told:?}")
                    }
                    Standing::Split => {
                        assert!(truths.iter().all(|(holder, _)| holder.is_none()), "{told:?}");
                        assert!(truths.iter().any(|(_, free)| !free), "{told:?}");
                    }
                    Standing::Unknown => {
                        // Some would say this and some that, or who has it is not to be seen.
                        assert!(truths.iter().any(|(other, _)| other != holder), "{told:?}");
                    }
                }
                seen += 1;
            }
        }
        assert_eq!(seen, 5 + 25 + 125 + 625 + 3125);
    }

    #[test]
    fn held_is_yes_or_no_or_not_known() {
        assert_eq!(held_for("a", 1).is_held(), Some(true));
        assert_eq!(Standing::Free.is_held(), Some(false));
        assert_eq!(Standing::Split.is_held(), Some(false));
        assert_eq!(Standing::Unknown.is_held(), None);
    }
}
