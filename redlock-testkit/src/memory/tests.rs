use std::time::Duration;

use futures::FutureExt;
use redlock_core::{Fence, Fencing, Inspection, LockNode, RestartPolicy, Token, Ttl, Vote};

use super::*;
use crate::SimRuntime;

const MS: Duration = Duration::from_millis(1);

struct Fixture {
    sim: SimRuntime,
    node: MemoryNode,
    resource: Resource,
}

fn fixture() -> Fixture {
    let sim = SimRuntime::new(0);
    let node = MemoryNode::new("a", sim.shared());
    let resource = Resource::new("r").unwrap();
    Fixture { sim, node, resource }
}

impl Fixture {
    fn acquire(&self, token: &str) -> Option<Result<Vote, NodeError>> {
        let token = Token::from_bytes(token.as_bytes()).unwrap();
        let ttl = Ttl::new(100 * MS).unwrap();
        let (node, resource) = (self.node.clone(), self.resource.clone());
        async move { node.acquire(&resource, &token, ttl).await }.now_or_never()
    }

    fn granted(&self, token: &str) {
        assert_eq!(self.acquire(token).unwrap().unwrap(), Vote::granted());
    }
}

#[test]
fn a_crashed_node_is_unreachable_and_comes_back_with_its_data() {
    let fixture = fixture();
    fixture.granted("t");
    let before = fixture.node.identity();
    fixture.node.crash();
    let error = fixture.acquire("u").unwrap().unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unreachable);
    assert_eq!(error.delivery(), Delivery::NotSent);
    fixture.node.restart();
    assert_ne!(fixture.node.identity(), before, "another run of the server");
    let vote = fixture.acquire("u").unwrap().unwrap();
    let holder = Token::from_bytes(*b"t").unwrap().fingerprint();
    assert_eq!(vote, Vote::held_by(holder, Some(100 * MS)));
}

#[test]
fn a_node_that_forgets_comes_back_empty() {
    let fixture = fixture();
    fixture.granted("t");
    fixture.node.crash_and_forget();
    fixture.node.restart();
    assert!(fixture.node.keys().is_empty());
    fixture.granted("u");
}

#[test]
fn what_a_hung_node_received_is_carried_out_when_it_resumes_though_the_caller_has_gone() {
    let fixture = fixture();
    fixture.node.hang();
    assert!(fixture.acquire("t").is_none(), "no answer, and then dropped");
    assert!(fixture.node.keys().is_empty());
    fixture.sim.advance(10 * MS);
    fixture.node.resume();
    let keys = fixture.node.keys();
    assert_eq!(keys[0].token.as_bytes(), b"t");
    assert!(keys[0].remaining >= 100 * MS, "its life begins now");
}

#[test]
fn a_call_that_waits_for_a_hung_node_gets_its_answer_when_it_resumes() {
    let fixture = fixture();
    fixture.node.hang();
    let (node, resource) = (fixture.node.clone(), fixture.resource.clone());
    let waiting = async move { node.inspect(&resource).await };
    let later = {
        let (sim, node) = (fixture.sim.clone(), fixture.node.clone());
        async move {
            sim.sleep(5 * MS).await;
            node.resume();
        }
    };
    let (inspection, ()) = fixture.sim.block_on(async { futures::join!(waiting, later) });
    assert_eq!(inspection.unwrap(), Inspection::Free);
}

#[test]
fn a_crash_ends_the_calls_that_wait_and_drops_their_requests() {
    let fixture = fixture();
    fixture.node.hang();
    let token = Token::from_bytes(*b"t").unwrap();
    let ttl = Ttl::new(100 * MS).unwrap();
    let mut call = fixture.node.acquire(&fixture.resource, &token, ttl);
    assert!((&mut call).now_or_never().is_none());
    fixture.node.crash();
    let error = call.now_or_never().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (FailureKind::Closed, Delivery::Unknown));
    fixture.node.restart();
    assert!(fixture.node.keys().is_empty());
}

#[test]
fn clock_steps_and_rates_move_the_end_of_keys() {
    let fixture = fixture();
    fixture.granted("t");
    fixture.node.step_clock_forward(60 * MS);
    let left = fixture.node.keys()[0].remaining;
    assert!(left > 40 * MS && left <= 41 * MS, "{left:?}");
    fixture.node.clock_rate(2.0);
    let left = fixture.node.keys()[0].remaining;
    assert!(left > 20 * MS && left <= 21 * MS, "{left:?}");
    fixture.node.step_clock_back(1000 * MS);
    fixture.sim.advance(500 * MS);
    assert_eq!(fixture.node.keys().len(), 1);
    fixture.sim.advance(21 * MS);
    assert!(fixture.node.keys().is_empty());
}

#[test]
fn a_replayed_acquire_is_granted_again_and_a_replayed_release_does_nothing() {
    let fixture = fixture();
    assert!(!fixture.node.replay_last(), "there was none yet");
    fixture.granted("t");
    let end = |token: &[u8]| {
        let token = Token::from_bytes(token).unwrap();
        fixture.node.end_of_key(&fixture.resource, &token)
    };
    let first = end(b"t");
    fixture.sim.advance(20 * MS);
    assert!(fixture.node.replay_last());
    assert_eq!(end(b"t"), first, "the first grant's expiry stands");

    let token = Token::from_bytes(*b"t").unwrap();
    let release = fixture.node.release(&fixture.resource, &token);
    assert_eq!(release.now_or_never().unwrap().unwrap(), Vote::granted());
    assert!(fixture.node.replay_last());
    assert!(fixture.node.keys().is_empty());
    let calls = fixture.node.calls();
    assert_eq!((calls.acquire, calls.release, calls.total()), (2, 2, 4));
    fixture.node.reset_calls();
    assert_eq!(fixture.node.calls(), CallCounts::default());
}

#[test]
fn an_evicted_key_is_gone() {
    let fixture = fixture();
    fixture.granted("t");
    fixture.node.evict(&fixture.resource);
    fixture.granted("u");
}

#[test]
fn a_counter_outlives_its_key_and_crashes_but_not_the_loss_of_all_data() {
    let fixture = fixture();
    let token = Token::from_bytes(*b"t").unwrap();
    let ttl = Ttl::new(100 * MS).unwrap();
    let count = || {
        let able = fixture.node.fencing().unwrap();
        let vote = able.acquire_counted(&fixture.resource, &token, ttl, Fence::default());
        match vote.now_or_never().unwrap().unwrap() {
            Vote::Granted { counter, .. } => counter.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fixture.node.counter(&fixture.resource), None);
    let first = count();
    assert!(first > Fence::new(1_700_000_000_000_000), "microseconds since 1970");
    fixture.node.evict(&fixture.resource);
    assert_eq!(fixture.node.counter(&fixture.resource), Some(first));
    assert_eq!(count().before(), first);
    fixture.sim.advance(200 * MS);
    fixture.node.crash();
    fixture.node.restart();
    assert_eq!(count().before().before(), first);
    fixture.node.crash_and_forget();
    assert_eq!(fixture.node.counter(&fixture.resource), None);
    fixture.node.restart();
    assert_eq!(count(), Fence::new(first.get() + 200_000), "from the clock again");
    let raised = Fencing::raise(&fixture.node, &fixture.resource, &token, Fence::default());
    assert_eq!(raised.now_or_never().unwrap().unwrap(), Vote::counted(count()));
    assert_eq!(fixture.node.calls().raise, 1);
    fixture.node.forget_counter(&fixture.resource);
    assert_eq!(fixture.node.counter(&fixture.resource), None);
    fixture.node.keep_counters_for(Duration::ZERO);
    fixture.node.evict(&fixture.resource);
    count();
    fixture.sim.advance(200 * MS);
    assert_eq!(fixture.node.counter(&fixture.resource), None, "key and counter have expired");
}

#[test]
fn a_node_can_be_one_that_does_not_count() {
    let fixture = fixture();
    assert!(fixture.node.fencing().is_some());
    fixture.node.stop_counting();
    assert!(fixture.node.fencing().is_none());
}

#[test]
fn a_node_in_quarantine_grants_nothing_until_what_it_may_have_forgotten_has_ended() {
    for forgets in [false, true] {
        let fixture = fixture();
        let max_ttl = Ttl::new(1000 * MS).unwrap();
        fixture.node.restart_policy(RestartPolicy::Quarantine { max_ttl });
        fixture.granted("t");
        if forgets {
            fixture.node.crash_and_forget();
        } else {
            fixture.node.crash();
        }
        fixture.sim.advance(500 * MS);
        fixture.node.restart();
        // 1 s and what clocks may differ by, and a second.
        fixture.sim.advance(2011 * MS);
        let error = fixture.acquire("u").unwrap().unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (FailureKind::Quarantined, Delivery::Refused));
        assert_eq!(error.quarantine(), Some(MS));
        let (mine, ttl) = (Token::from_bytes(*b"u").unwrap(), Ttl::new(100 * MS).unwrap());
        let able = fixture.node.fencing().unwrap();
        let counted = able.acquire_counted(&fixture.resource, &mine, ttl, Fence::default());
        assert_eq!(counted.now_or_never().unwrap().unwrap_err().quarantine(), Some(MS));
        fixture.sim.advance(MS);
        fixture.granted("u");
    }
}

#[test]
fn what_a_restarted_node_has_kept_is_released_and_extended_in_quarantine() {
    let fixture = fixture();
    let max_ttl = Ttl::new(1000 * MS).unwrap();
    fixture.node.restart_policy(RestartPolicy::Quarantine { max_ttl });
    fixture.granted("t");
    fixture.node.crash();
    fixture.node.restart();
    let (node, mine) = (&fixture.node, Token::from_bytes(*b"t").unwrap());
    let extended = node.extend(&fixture.resource, &mine, max_ttl).now_or_never();
    assert_eq!(extended.unwrap().unwrap(), Vote::granted());
    let released = node.release(&fixture.resource, &mine).now_or_never();
    assert_eq!(released.unwrap().unwrap(), Vote::granted());
}

#[test]
fn what_would_outlive_a_quarantine_is_rejected_from_the_start() {
    let fixture = fixture();
    let max_ttl = Ttl::new(50 * MS).unwrap();
    fixture.granted("t");
    fixture.node.restart_policy(RestartPolicy::Quarantine { max_ttl });
    let error = fixture.acquire("u").unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "a rejected the request: a ttl of 100ms is longer than 50ms, the longest that its \
         quarantine is for"
    );
    let (node, mine) = (&fixture.node, Token::from_bytes(*b"t").unwrap());
    let long = Ttl::new(51 * MS).unwrap();
    let extended = node.extend(&fixture.resource, &mine, long).now_or_never().unwrap();
    assert_eq!(extended.unwrap_err().kind(), FailureKind::Rejected);
    let extended = node.extend(&fixture.resource, &mine, max_ttl).now_or_never().unwrap();
    assert_eq!(extended.unwrap(), Vote::granted());
}

#[test]
fn every_node_has_an_identity_of_its_own_and_clones_share_it() {
    let (a, b) = (fixture().node, fixture().node);
    assert_ne!(a.identity(), b.identity());
    assert_eq!(a.identity(), a.clone().identity());
}

#[test]
fn its_debug_form_shows_label_and_health() {
    let fixture = fixture();
    fixture.node.hang();
    assert_eq!(format!("{:?}", fixture.node), r#"MemoryNode { label: "a", health: Hung, .. }"#);
}
