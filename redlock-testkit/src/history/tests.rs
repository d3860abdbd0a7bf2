use std::{cell::Cell, time::Duration};

use proptest::prelude::*;
use redlock_core::{Moment, Token, Ttl};

use super::*;
use crate::{MemoryNode, SimRuntime};

fn at(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}

fn resource() -> Resource {
    Resource::new("r").unwrap()
}

fn history() -> (History, SimRuntime) {
    let sim = SimRuntime::new(0);
    (History::new(sim.shared()), sim)
}

fn hold(client: &str, from: u64, to: u64) -> Hold {
    Hold::new(client, resource(), at(from), at(to))
}

fn of_holds(holds: impl IntoIterator<Item = Hold>) -> Vec<String> {
    let (history, _) = history();
    for hold in holds {
        history.add_hold(hold);
    }
    history.check().iter().map(ToString::to_string).collect()
}

#[test]
fn holds_that_follow_each_other_are_fine() {
    assert!(of_holds([hold("b", 20, 30), hold("a", 0, 10), hold("a", 11, 19)]).is_empty());
    let other = Hold::new("b", Resource::new("other").unwrap(), at(5), at(15));
    assert!(of_holds([hold("a", 0, 10), other]).is_empty(), "of different resources");
}

#[test]
fn holds_at_the_same_time_are_not() {
    let overlap = |at| format!(r#"a and b both held "r" at {at}ms"#);
    assert_eq!(of_holds([hold("a", 0, 10), hold("b", 9, 20)]), [overlap(9)]);
    assert_eq!(of_holds([hold("a", 0, 10), hold("b", 10, 20)]), [overlap(10)]);
    assert_eq!(of_holds([hold("b", 3, 4), hold("a", 0, 10)]), [overlap(3)]);
    // One long hold overlaps with what comes long after its neighbour.
    let found = of_holds([hold("a", 0, 100), hold("c", 10, 20), hold("b", 50, 60)]);
    assert_eq!(found.len(), 2);
    assert_eq!(found[1], overlap(50));
}

#[test]
fn a_hold_lasts_only_as_far_as_it_is_confirmed() {
    let (history, sim) = history();
    let valid = Cell::new(true);
    let first = history.begin("a", &resource(), || valid.get()).unwrap();
    sim.advance(Duration::from_millis(10));
    assert!(first.confirm(|| valid.get()));
    valid.set(false);
    sim.advance(Duration::from_millis(10));
    assert!(!first.confirm(|| valid.get()));
    assert!(history.begin("c", &resource(), || false).is_none());
    // It was killed, or did not look again: nothing is claimed for it.
    let second = history.begin("b", &resource(), || true).unwrap();
    assert!(history.check().is_empty());
    assert_eq!(history.holds(), 2);

    drop((first, second));
    let third = history.begin("c", &resource(), || true);
    drop(third);
    assert_eq!(history.check().len(), 1, "b and c in one moment");
}

#[test]
fn fences_grow_with_every_hold() {
    let fenced = |fences: [u64; 3]| {
        let holds = [hold("a", 0, 10), hold("b", 11, 20), hold("a", 21, 30)];
        of_holds(holds.into_iter().zip(fences).map(|(hold, fence)| hold.fenced(fence)))
    };
    assert!(fenced([1, 2, 3]).is_empty());
    assert!(fenced([1, 5, 9]).is_empty(), "attempts of unknown outcome use numbers up");
    assert_eq!(fenced([1, 3, 2]), [r#"a later hold of "r" has fence 2, not above 3"#]);
    assert_eq!(fenced([7, 7, 8]), [r#"a later hold of "r" has fence 7, not above 7"#]);
    let unfenced = [hold("a", 0, 10).fenced(5), hold("b", 11, 20), hold("c", 21, 30).fenced(4)];
    assert_eq!(of_holds(unfenced).len(), 1);
}

fn of_updates(updates: &[(u64, Outcome)]) -> Vec<Anomaly> {
    let (history, _) = history();
    for (client, &(read, outcome)) in updates.iter().enumerate() {
        history.update(Update::new(client.to_string(), resource(), read, outcome));
    }
    history.check()
}

#[test]
fn two_updates_of_one_number_lose_one_of_them_if_both_happened() {
    use Outcome::{Done, Refused, Unknown};
    assert!(of_updates(&[(0, Done), (1, Done), (2, Unknown), (2, Done), (3, Refused)]).is_empty());
    let found = of_updates(&[(0, Done), (1, Done), (0, Done)]);
    assert_eq!(found[0].to_string(), r#"0 and 2 both read 0 under "r" and wrote the next"#);
    assert_eq!(found.len(), 1);
}

fn of_grants(grants: &[(u64, u64, u64)]) -> Vec<String> {
    let (history, _) = history();
    for &(asked, given, fence) in grants {
        history.grant(Grant::new("a", resource(), fence, at(asked), at(given)));
    }
    assert_eq!(history.grants(), grants.len());
    history.check().iter().map(ToString::to_string).collect()
}

#[test]
fn fences_of_grants_are_unique_and_grow_even_where_holds_overlap() {
    assert!(of_grants(&[(0, 1, 5), (2, 3, 6), (4, 5, 9)]).is_empty());
    // Who asked at the same time may be given theirs in any order.
    assert!(of_grants(&[(0, 5, 6), (1, 2, 5), (2, 3, 7), (6, 7, 8)]).is_empty());
    let twice = [r#"a and a both had "r" with fence 5"#];
    assert_eq!(of_grants(&[(0, 1, 5), (2, 3, 5)]), twice);
    assert_eq!(of_grants(&[(0, 5, 5), (1, 4, 5)]), twice);
    let fallen = [r#"a later hold of "r" has fence 4, not above 5"#];
    assert_eq!(of_grants(&[(2, 3, 4), (0, 1, 5)]), fallen);
}

fn of_writes(writes: &[(u64, Outcome)]) -> Vec<String> {
    let (history, _) = history();
    for &(fence, outcome) in writes {
        history.write(Write::new("a", resource(), fence, outcome));
    }
    history.check().iter().map(ToString::to_string).collect()
}

#[test]
fn a_guarded_resource_turns_away_who_comes_too_late_and_nobody_else() {
    use Outcome::{Done, Refused, Unknown};
    assert!(of_writes(&[(1, Done), (1, Done), (3, Done), (2, Refused)]).is_empty());
    let stale = [r#"a wrote to "r" with fence 2 after 3"#];
    assert_eq!(of_writes(&[(3, Done), (2, Done)]), stale);
    let refused = [r#"a was turned away by "r" with the newest fence, 3"#];
    assert_eq!(of_writes(&[(3, Done), (3, Refused)]), refused);
    // Whether 5 was written nobody knows, so both of these may be right.
    assert!(of_writes(&[(5, Unknown), (4, Refused)]).is_empty());
    assert!(of_writes(&[(5, Unknown), (4, Done)]).is_empty());
}

#[test]
fn keys_that_are_left_are_orphans_and_silent_nodes_tell_nothing() {
    let (history, sim) = history();
    let nodes = ["up", "down"].map(|label| MemoryNode::new(label, sim.shared()));
    let token = Token::from_bytes(*b"t").unwrap();
    let ttl = Ttl::new(Duration::from_secs(1)).unwrap();
    for node in &nodes {
        sim.block_on(node.acquire(&resource(), &token, ttl)).unwrap();
    }
    nodes[1].crash();
    let shared = nodes.clone().map(|node| Arc::new(node) as Arc<dyn LockNode>);
    sim.block_on(history.scan(&shared, &[resource(), Resource::new("free").unwrap()]));
    let found: Vec<String> = history.check().iter().map(ToString::to_string).collect();
    assert_eq!(found, [r#"up still has a key of "r" that nobody will release"#]);
}

proptest! {
    /// Against the definition, in quadratic time.
    #[test]
    fn overlap_is_found_exactly_when_two_holds_share_a_moment(
        holds in prop::collection::vec((0_u64..40, 0_u64..6), 0..12),
    ) {
        let shares = |&(a, b): &((u64, u64), (u64, u64))| a.0 <= b.0 + b.1 && b.0 <= a.0 + a.1;
        let pairs = holds.iter().enumerate().flat_map(|(place, &one)| {
            holds[place + 1..].iter().map(move |&other| (one, other))
        });
        let expected = pairs.filter(shares).count() > 0;
        let found = of_holds(holds.iter().map(|&(from, lasts)| hold("a", from, from + lasts)));
        prop_assert_eq!(!found.is_empty(), expected);
    }

    /// Against the definition: of two holds, one entirely before the other, the later has the
    /// greater fence.
    #[test]
    fn falling_fences_are_found_exactly_when_there_are_any(
        holds in prop::collection::vec((0_u64..40, 0_u64..6, 0_u64..8), 0..10),
    ) {
        let wrong = holds.iter().any(|one| holds.iter().any(|other| {
            one.0 + one.1 < other.0 && other.2 <= one.2
        }));
        let (history, _) = history();
        for &(from, lasts, fence) in &holds {
            history.add_hold(hold("a", from, from + lasts).fenced(fence));
        }
        let fences = |anomaly: &Anomaly| matches!(anomaly, Anomaly::FenceOrder { .. });
        prop_assert_eq!(history.check().iter().any(fences), wrong);
    }
}
