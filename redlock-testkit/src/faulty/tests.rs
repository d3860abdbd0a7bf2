use std::time::Duration;

use futures::{FutureExt, StreamExt};

use super::*;
use crate::{MemoryNode, SimRuntime};

const MS: Duration = Duration::from_millis(1);

struct Fixture {
    sim: SimRuntime,
    memory: MemoryNode,
    node: FaultyNode<MemoryNode>,
    resource: Resource,
    token: Token,
}

fn fixture() -> Fixture {
    let sim = SimRuntime::new(0);
    let memory = MemoryNode::new("a", sim.shared());
    Fixture {
        node: FaultyNode::new(memory.clone(), sim.shared()),
        memory,
        sim,
        resource: Resource::new("r").unwrap(),
        token: Token::from_bytes(*b"t").unwrap(),
    }
}

impl Fixture {
    fn acquire(&self) -> Result<Vote, NodeError> {
        let ttl = Ttl::new(1000 * MS).unwrap();
        self.sim.block_on(self.node.acquire(&self.resource, &self.token, ttl))
    }

    fn acquires(&self) -> u64 {
        self.memory.calls().acquire
    }
}

#[test]
fn a_lost_request_changes_nothing_and_a_lost_reply_does() {
    let fixture = fixture();
    let script = [Fault::LoseRequest, Fault::LoseReply];
    fixture.node.script(Operation::Acquire, script);
    for executed in [0, 1] {
        let error = fixture.acquire().unwrap_err();
        assert_eq!(error.kind(), FailureKind::Closed);
        assert_eq!(error.delivery(), Delivery::Unknown);
        assert_eq!(fixture.acquires(), executed);
    }
    assert_eq!(fixture.acquire().unwrap(), Vote::granted());
}

#[test]
fn a_duplicate_is_carried_out_twice() {
    let fixture = fixture();
    fixture.node.script(Operation::Release, [Fault::Duplicate]);
    fixture.acquire().unwrap();
    let release = fixture.node.release(&fixture.resource, &fixture.token);
    assert_eq!(fixture.sim.block_on(release).unwrap(), Vote::granted());
    assert_eq!(fixture.memory.calls().release, 2);
}

#[test]
fn a_call_that_hangs_never_returns() {
    let fixture = fixture();
    let script = [Fault::Hang, Fault::HangAfter];
    fixture.node.script(Operation::Inspect, script);
    for executed in [0, 1] {
        let call = fixture.node.inspect(&fixture.resource);
        assert!(call.now_or_never().is_none());
        assert_eq!(fixture.memory.calls().inspect, executed);
    }
}

#[test]
fn delays_are_slept_before_or_after_the_node_is_reached() {
    let fixture = fixture();
    let script = [Fault::DelayRequest(5 * MS), Fault::DelayReply(7 * MS)];
    fixture.node.script(Operation::Acquire, script);
    let start = fixture.sim.now();
    fixture.acquire().unwrap();
    assert!(fixture.memory.keys()[0].remaining >= 1000 * MS);
    assert_eq!(fixture.sim.now().since(start), 5 * MS);
    fixture.acquire().unwrap();
    assert_eq!(fixture.sim.now().since(start), 12 * MS);
}

#[test]
fn refusals_and_errors_never_reach_the_node() {
    let fixture = fixture();
    let fail = Fault::Fail { kind: FailureKind::Rejected, delivery: Delivery::Refused };
    fixture.node.rule(move |operation, resource| {
        assert_eq!((operation, resource.as_str()), (Operation::Acquire, "r"));
        fail
    });
    fixture.node.script(Operation::Acquire, [Fault::Refuse]);
    assert_eq!(fixture.acquire().unwrap(), Vote::held_by_another(None));
    let error = fixture.acquire().unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected);
    assert_eq!(error.delivery(), Delivery::Refused);
    assert_eq!(fixture.memory.calls().total(), 0);
    fixture.node.heal();
    assert_eq!(fixture.acquire().unwrap(), Vote::granted());
}

#[test]
fn the_same_seed_draws_the_same_faults() {
    let chances = Chances {
        lose_request: 0.2,
        lose_reply: 0.2,
        refuse: 0.2,
        delay: 0.5,
        longest_delay: 3 * MS,
        ..Chances::default()
    };
    let run = |seed| {
        let fixture = fixture();
        fixture.node.chances(chances, seed);
        let answers: Vec<_> =
            (0..30).map(|_| fixture.acquire().map_err(|error| error.failure())).collect();
        (answers, fixture.sim.now())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let none = fixture();
    none.node.chances(Chances::default(), 1);
    assert!((0..30).all(|_| none.acquire().is_ok()));
}

#[test]
fn the_ability_of_the_node_behind_is_its_own_and_meets_the_faults_of_its_operations() {
    let fixture = fixture();
    let able = fixture.node.notifications().unwrap();
    let script = [Fault::Refuse, Fault::LoseReply, Fault::Duplicate];
    fixture.node.script(Operation::Subscribe, script);
    let subscribe = || fixture.sim.block_on(able.subscribe(&fixture.resource));
    assert_eq!(subscribe().err().unwrap().kind(), FailureKind::Rejected);
    assert_eq!(subscribe().err().unwrap().kind(), FailureKind::Closed);
    let mut stream = subscribe().unwrap();
    assert_eq!(fixture.memory.calls().subscribe, 3);
    assert_eq!(fixture.memory.subscriptions(&fixture.resource), 1, "one stream is in our hands");

    fixture.node.script(Operation::Notify, [Fault::LoseRequest, Fault::Refuse]);
    for kind in [FailureKind::Closed, FailureKind::Rejected] {
        let error = fixture.sim.block_on(able.notify(&fixture.resource)).unwrap_err();
        assert_eq!(error.kind(), kind);
    }
    assert!(stream.next().now_or_never().is_none());
    fixture.sim.block_on(able.notify(&fixture.resource)).unwrap();
    assert!(stream.next().now_or_never().is_some());

    fixture.node.script(Operation::Release, [Fault::Refuse, Fault::LoseReply]);
    fixture.acquire().unwrap();
    let release =
        || fixture.sim.block_on(able.release_and_notify(&fixture.resource, &fixture.token));
    let refused = Announced { vote: Vote::not_held(), listeners: 0 };
    assert_eq!(release().unwrap(), refused);
    assert_eq!(release().unwrap_err().kind(), FailureKind::Closed);
    assert!(fixture.memory.keys().is_empty());
    assert!(stream.next().now_or_never().is_some());

    fixture.acquire().unwrap();
    fixture.memory.mute();
    assert!(fixture.node.notifications().is_none());
    assert_eq!(release().unwrap(), Announced { vote: Vote::granted(), listeners: 0 });
    assert_eq!(subscribe().err().unwrap().kind(), FailureKind::Unsupported);
}

#[test]
fn counted_acquires_meet_the_faults_of_acquires_and_raises_their_own() {
    let fixture = fixture();
    let (node, resource, token) = (&fixture.node, &fixture.resource, &fixture.token);
    let ttl = Ttl::new(1000 * MS).unwrap();
    node.script(Operation::Acquire, [Fault::LoseReply, Fault::Refuse]);
    node.script(Operation::Raise, [Fault::LoseRequest, Fault::Refuse]);
    let acquire = || {
        let able = node.fencing().unwrap();
        fixture.sim.block_on(able.acquire_counted(resource, token, ttl, Fence::default()))
    };
    assert_eq!(acquire().unwrap_err().kind(), FailureKind::Closed);
    assert_eq!(acquire().unwrap(), Vote::held_by_another(None));
    let counter = fixture.memory.counter(resource).unwrap();
    assert_eq!(acquire().unwrap(), Vote::counted(counter));
    let higher = Fence::new(counter.get() + 1);
    let raise = || fixture.sim.block_on(node.fencing().unwrap().raise(resource, token, higher));
    assert_eq!(raise().unwrap_err().kind(), FailureKind::Closed);
    assert_eq!(raise().unwrap(), Vote::not_held());
    assert_eq!(fixture.memory.counter(resource), Some(counter));
    assert_eq!(raise().unwrap(), Vote::counted(higher));
    fixture.memory.stop_counting();
    assert!(node.fencing().is_none());
}

#[test]
fn a_survey_meets_faults_like_any_call() {
    let Fixture { sim, node, resource, token, .. } = fixture();
    let minute = Ttl::new(Duration::from_secs(60)).unwrap();
    sim.block_on(node.acquire(&resource, &token, minute)).unwrap();
    let able = node.survey().unwrap();

    node.script(Operation::List, [Fault::LoseRequest, Fault::Refuse]);
    let lost = sim.block_on(able.list("", None)).unwrap_err();
    assert_eq!(lost.kind(), FailureKind::Closed);
    let refused = sim.block_on(able.list("", None)).unwrap_err();
    assert_eq!(refused.kind(), FailureKind::Rejected);
    assert_eq!(sim.block_on(able.list("", None)).unwrap().held.len(), 1);

    // It is done, and nobody gets to know.
    node.script(Operation::Reset, [Fault::LoseReply]);
    let lost = sim.block_on(able.reset(&resource)).unwrap_err();
    assert_eq!(lost.kind(), FailureKind::Closed);
    assert_eq!(sim.block_on(able.reset(&resource)).unwrap(), None);
}
