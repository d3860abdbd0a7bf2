use redlock_core::{Delivery, FailureKind, LockNode, NodeError, Resource, Token, Ttl, Vote};

use super::*;

const MS: Duration = Duration::from_millis(1);

struct Fixture {
    sim: SimRuntime,
    cluster: SimCluster,
    link: SimLink,
    resource: Resource,
}

fn fixture(network: Network) -> Fixture {
    let sim = SimRuntime::new(5);
    let cluster = SimCluster::new(&sim, 1);
    cluster.network(network);
    let link = cluster.links().remove(0);
    let resource = Resource::new("r").unwrap();
    Fixture { sim, cluster, link, resource }
}

fn token(name: &str) -> Token {
    Token::from_bytes(name.as_bytes()).unwrap()
}

impl Fixture {
    /// `None` if there is no answer within a second.
    fn acquire(&self, name: &str) -> Option<Result<Vote, NodeError>> {
        let (token, ttl) = (token(name), Ttl::new(10_000 * MS).unwrap());
        let call = self.link.acquire(&self.resource, &token, ttl);
        let patience = std::pin::pin!(self.sim.sleep(1000 * MS));
        match self.sim.block_on(futures::future::select(call, patience)) {
            futures::future::Either::Left((result, _)) => Some(result),
            futures::future::Either::Right(_) => None,
        }
    }

    fn tokens(&self) -> Vec<Token> {
        self.cluster.nodes()[0].keys().into_iter().map(|key| key.token).collect()
    }
}

#[test]
fn both_ways_take_their_time() {
    let fixture = fixture(Network {
        shortest_latency: 2 * MS,
        longest_latency: 3 * MS,
        ..Network::default()
    });
    let start = fixture.sim.now();
    assert_eq!(fixture.acquire("a").unwrap().unwrap(), Vote::granted());
    let took = fixture.sim.now().since(start);
    assert!(took >= 4 * MS && took <= 6 * MS + Duration::from_micros(1), "{took:?}");
}

#[test]
fn a_lost_request_is_not_carried_out_and_a_lost_reply_leaves_a_key() {
    for (silence, name) in [(0.0, "closed"), (1.0, "silent")] {
        let lose_request = Network { lose_request: 1.0, silence, ..Network::default() };
        let lose_reply = Network { lose_reply: 1.0, silence, ..Network::default() };
        for (network, keys) in [(lose_request, 0), (lose_reply, 1)] {
            let fixture = fixture(network);
            match fixture.acquire(name) {
                Some(result) => {
                    let failure = result.unwrap_err();
                    assert_eq!(failure.kind(), FailureKind::Closed);
                    assert_eq!(failure.delivery(), Delivery::Unknown);
                }
                None => assert_eq!(name, "silent"),
            }
            assert_eq!(fixture.tokens().len(), keys, "{name}");
        }
    }
}

#[test]
fn what_was_sent_arrives_though_the_caller_has_gone() {
    let fixture = fixture(Network::default());
    let (a, ttl) = (token("a"), Ttl::new(10_000 * MS).unwrap());
    let call = fixture.link.acquire(&fixture.resource, &a, ttl);
    assert!(futures::FutureExt::now_or_never(call).is_none());
    assert!(fixture.tokens().is_empty());
    fixture.sim.advance(MS);
    assert_eq!(fixture.tokens(), [a]);
}

#[test]
fn an_error_may_come_before_the_request_arrives() {
    let fixture = fixture(Network {
        close_early: 1.0,
        shortest_latency: 5 * MS,
        longest_latency: 10 * MS,
        ..Network::default()
    });
    fixture.acquire("a").unwrap().unwrap_err();
    assert!(fixture.tokens().is_empty());
    fixture.sim.advance(10 * MS);
    assert_eq!(fixture.tokens(), [token("a")]);
}

/// Whether a release overtakes the acquire that was sent before it, in any of many tries.
fn overtakes(connections: usize) -> bool {
    (0..100).any(|_| {
        let fixture = fixture(Network { connections, ..Network::default() });
        let (a, ttl) = (token("a"), Ttl::new(10_000 * MS).unwrap());
        for _ in 0..20 {
            let acquire = fixture.link.acquire(&fixture.resource, &a, ttl);
            let release = fixture.link.release(&fixture.resource, &a);
            fixture.sim.block_on(async { futures::join!(acquire, release) }).0.unwrap();
            if !fixture.tokens().is_empty() {
                return true;
            }
        }
        false
    })
}

#[test]
fn messages_keep_their_order_on_one_connection_only() {
    assert!(!overtakes(1));
    assert!(overtakes(2));
}

#[test]
fn a_duplicate_is_carried_out_again() {
    let fixture = fixture(Network { duplicate: 1.0, ..Network::default() });
    fixture.acquire("a").unwrap().unwrap();
    fixture.sim.run_until_idle();
    assert_eq!(fixture.cluster.nodes()[0].calls().acquire, 2);
}

#[test]
fn a_node_that_is_down_refuses_connections_or_closes_them() {
    let fixture = fixture(Network::default());
    fixture.cluster.nodes()[0].crash();
    let mut seen = [false, false];
    for _ in 0..50 {
        let error = fixture.acquire("a").unwrap().unwrap_err();
        match (error.kind(), error.delivery()) {
            (FailureKind::Unreachable, Delivery::NotSent) => seen[0] = true,
            (FailureKind::Closed, Delivery::Unknown) => seen[1] = true,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, [true, true]);
    fixture.cluster.heal();
    fixture.acquire("a").unwrap().unwrap();
}

#[test]
fn a_cut_link_is_silent_until_it_is_mended() {
    let fixture = fixture(Network::default());
    fixture.link.cut();
    assert!(fixture.acquire("a").is_none());
    assert!(fixture.tokens().is_empty());
    fixture.link.mend();
    fixture.acquire("a").unwrap().unwrap();
    assert_eq!(fixture.link.label(), "node-1");
    assert_eq!(fixture.link.identity(), fixture.cluster.nodes()[0].identity());
}
