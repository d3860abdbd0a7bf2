use std::time::Duration;

use futures::{FutureExt, StreamExt, stream::BoxStream};
use redlock_core::{FailureKind, LockNode, NodeError, Token, Ttl, Vote};

use super::*;
use crate::{MemoryNode, Network, SimCluster, SimLink, SimRuntime};

const MS: Duration = Duration::from_millis(1);

type Stream = BoxStream<'static, Notice>;

struct Fixture {
    sim: SimRuntime,
    cluster: SimCluster,
    link: SimLink,
    orders: Resource,
}

fn fixture(seed: u64) -> Fixture {
    let sim = SimRuntime::new(seed);
    let cluster = SimCluster::new(&sim, 1);
    let link = cluster.links().remove(0);
    Fixture { sim, cluster, link, orders: Resource::new("orders").unwrap() }
}

impl Fixture {
    fn node(&self) -> &MemoryNode {
        &self.cluster.nodes()[0]
    }

    fn try_subscribe(&self, link: &SimLink) -> Result<Stream, NodeError> {
        self.sim.block_on(link.notifications().unwrap().subscribe(&self.orders))
    }

    fn subscribe(&self) -> Stream {
        self.try_subscribe(&self.link).unwrap()
    }

    /// Acquires and releases without the network, whose notices are therefore all that travels.
    fn pair(&self, token: &str) -> Notice {
        let token = Token::from_bytes(token.as_bytes()).unwrap();
        let (node, ttl) = (self.node(), Ttl::new(1_000 * MS).unwrap());
        let acquired = node.acquire(&self.orders, &token, ttl).now_or_never().unwrap();
        assert_eq!(acquired.unwrap(), Vote::granted());
        let able = node.notifications().unwrap();
        let released = able.release_and_notify(&self.orders, &token).now_or_never().unwrap();
        let listeners = released.unwrap().listeners;
        Notice { holder: Some(token.fingerprint()), listeners }
    }

    /// What comes within a second, and whether the stream ends.
    fn come(&self, stream: &mut Stream) -> (Vec<Notice>, bool) {
        self.sim.advance(1_000 * MS);
        let mut come = Vec::new();
        loop {
            match stream.next().now_or_never() {
                Some(Some(notice)) => come.push(notice),
                Some(None) => return (come, true),
                None => return (come, false),
            }
        }
    }
}

#[test]
fn a_notice_takes_its_time() {
    let fixture = fixture(1);
    let slow = Network { shortest_latency: 5 * MS, longest_latency: 9 * MS, ..Network::default() };
    fixture.cluster.network(slow);
    let mut stream = fixture.subscribe();
    let start = fixture.sim.now();
    let notice = fixture.pair("t");
    assert_eq!(fixture.sim.block_on(stream.next()), Some(notice));
    let took = fixture.sim.now().since(start);
    assert!(took >= 5 * MS && took <= 9 * MS, "{took:?}");
}

#[test]
fn the_calls_of_the_ability_travel_as_the_others_do() {
    let fixture = fixture(2);
    let mut stream = fixture.subscribe();
    let token = Token::from_bytes(*b"t").unwrap();
    let ttl = Ttl::new(1_000 * MS).unwrap();
    fixture.sim.block_on(fixture.link.acquire(&fixture.orders, &token, ttl)).unwrap();
    let able = fixture.link.notifications().unwrap();
    let release = able.release_and_notify(&fixture.orders, &token);
    let announced = fixture.sim.block_on(release).unwrap();
    assert_eq!((announced.vote, announced.listeners), (Vote::granted(), 1));
    fixture.sim.block_on(able.notify(&fixture.orders)).unwrap();
    let (come, ended) = fixture.come(&mut stream);
    let holders: Vec<_> = come.iter().map(|notice| notice.holder).collect();
    assert_eq!((holders, ended), (vec![Some(token.fingerprint()), None], false));

    fixture.cluster.network(Network { lose_request: 1.0, ..Network::default() });
    assert_eq!(fixture.try_subscribe(&fixture.link).err().unwrap().kind(), FailureKind::Closed);
    fixture.cluster.network(Network::default());
    fixture.node().forbid_notices();
    let forbidden = fixture.try_subscribe(&fixture.link).err().unwrap();
    assert_eq!(forbidden.kind(), FailureKind::Rejected, "which is not a connection that closed");
    fixture.node().mute();
    assert!(fixture.link.notifications().is_none());
}

#[test]
fn notices_are_lost_and_doubled_as_often_as_the_network_says() {
    let fixture = fixture(3);
    let mut stream = fixture.subscribe();
    for (lose_notice, duplicate_notice, times) in [(1.0, 1.0, 0), (0.0, 1.0, 2), (0.0, 0.0, 1)] {
        let network = Network { lose_notice, duplicate_notice, ..Network::default() };
        fixture.cluster.network(network);
        let notice = fixture.pair("t");
        assert_eq!(fixture.come(&mut stream), (vec![notice; times], false));
    }
}

#[test]
fn notices_overtake_each_other_on_several_connections_only() {
    let overtakes = |connections| {
        (0..50).any(|seed| {
            let fixture = fixture(seed);
            fixture.cluster.network(Network { connections, ..Network::default() });
            let mut stream = fixture.subscribe();
            let sent = [fixture.pair("t"), fixture.pair("u"), fixture.pair("v")];
            let (mut come, _) = fixture.come(&mut stream);
            let in_order = come == sent;
            come.sort_by_key(|notice| sent.iter().position(|sent| sent == notice));
            assert_eq!(come, sent);
            !in_order
        })
    };
    assert!(!overtakes(1));
    assert!(overtakes(3));
}

#[test]
fn all_streams_of_a_link_end_with_its_connection_and_the_node_gets_to_know() {
    for by_the_network in [false, true] {
        let fixture = fixture(4);
        let other = fixture.cluster.links().remove(0);
        let mut streams = [fixture.subscribe(), fixture.subscribe()];
        let mut others = fixture.try_subscribe(&other).unwrap();
        if by_the_network {
            fixture.cluster.network(Network { end_streams: 1.0, ..Network::default() });
            fixture.pair("t");
            assert!(fixture.come(&mut others).1, "it was told too, so its connection closed");
            fixture.cluster.network(Network::default());
        } else {
            fixture.link.end_streams();
            fixture.sim.advance(1_000 * MS);
            let notice = fixture.pair("t");
            assert_eq!(notice.listeners, 1);
            assert_eq!(fixture.come(&mut others), (vec![notice], false));
        }
        for stream in &mut streams {
            assert_eq!(fixture.come(stream), (vec![], true));
        }
        let left = usize::from(!by_the_network);
        assert_eq!(fixture.node().subscriptions(&fixture.orders), left);
        let mut again = fixture.subscribe();
        let notice = fixture.pair("t");
        assert_eq!(fixture.come(&mut again), (vec![notice], false));
    }
}

#[test]
fn streams_end_when_the_node_crashes_and_when_it_may_not_tell_any_more() {
    let end: [fn(&MemoryNode); 3] =
        [MemoryNode::crash, MemoryNode::cut_subscriptions, MemoryNode::forbid_notices];
    for end in end {
        for cut in [false, true] {
            let fixture = fixture(5);
            let mut stream = fixture.subscribe();
            if cut {
                fixture.link.cut();
            }
            end(fixture.node());
            assert!(stream.next().now_or_never().is_none(), "the word takes its time");
            assert_eq!(fixture.come(&mut stream), (vec![], true));
        }
    }
}

#[test]
fn a_cut_link_brings_no_notices_until_it_is_mended() {
    let fixture = fixture(6);
    let mut stream = fixture.subscribe();
    fixture.link.cut();
    fixture.pair("t");
    assert_eq!(fixture.come(&mut stream), (vec![], false));
    fixture.link.mend();
    let notice = fixture.pair("t");
    assert_eq!(fixture.come(&mut stream), (vec![notice], false));
}

#[test]
fn nobody_stays_subscribed_who_has_gone_at_whatever_moment() {
    for seed in 0..200 {
        let fixture = fixture(seed);
        let rough =
            Network { duplicate: 0.5, lose_reply: 0.3, connections: 3, ..Network::default() };
        fixture.cluster.network(rough);
        let able = fixture.link.notifications().unwrap();
        let gone = fixture.sim.random().between(Duration::ZERO, 3 * MS);
        let patience = std::pin::pin!(fixture.sim.sleep(gone));
        let subscribe = able.subscribe(&fixture.orders);
        drop(fixture.sim.block_on(futures::future::select(subscribe, patience)));
        fixture.sim.run_until_idle();
        assert_eq!(fixture.node().subscriptions(&fixture.orders), 0, "seed {seed}");
    }
}

#[test]
fn the_seed_decides_what_becomes_of_notices() {
    let run = |seed| {
        let fixture = fixture(seed);
        let rough = Network {
            lose_notice: 0.3,
            duplicate_notice: 0.3,
            end_streams: 0.05,
            connections: 2,
            ..Network::default()
        };
        fixture.cluster.network(rough);
        let mut stream = fixture.subscribe();
        for number in 0..30 {
            let _ = fixture.pair(&format!("{number}"));
        }
        (fixture.come(&mut stream), fixture.sim.log_hash())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
