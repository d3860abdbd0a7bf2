use std::{sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, stream::BoxStream};
use redlock_core::{
    Announced, Delivery, FailureKind, LockNode, NodeError, Notice, Notifications, Resource, Token,
    Ttl, Vote,
};

use crate::{MemoryNode, SimRuntime};

type Stream = BoxStream<'static, Notice>;

struct Fixture {
    node: MemoryNode,
    orders: Resource,
    token: Token,
}

fn fixture() -> Fixture {
    Fixture {
        node: MemoryNode::new("a", SimRuntime::new(0).shared()),
        orders: resource("orders"),
        token: Token::from_bytes(*b"t").unwrap(),
    }
}

fn resource(name: &str) -> Resource {
    Resource::new(name).unwrap()
}

/// What has come by now, and whether the stream has ended.
fn come(stream: &mut Stream) -> (Vec<Notice>, bool) {
    let mut come = Vec::new();
    loop {
        match stream.next().now_or_never() {
            Some(Some(notice)) => come.push(notice),
            Some(None) => return (come, true),
            None => return (come, false),
        }
    }
}

impl Fixture {
    fn able(&self) -> &dyn Notifications {
        self.node.notifications().unwrap()
    }

    fn subscribe(&self) -> Stream {
        self.try_subscribe().unwrap()
    }

    fn try_subscribe(&self) -> Result<Stream, NodeError> {
        self.able().subscribe(&self.orders).now_or_never().unwrap()
    }

    fn acquire(&self) {
        let ttl = Ttl::new(Duration::from_secs(10)).unwrap();
        let vote = self.node.acquire(&self.orders, &self.token, ttl).now_or_never().unwrap();
        assert_eq!(vote.unwrap(), Vote::granted());
    }

    fn release(&self) -> Announced {
        let release = self.able().release_and_notify(&self.orders, &self.token);
        release.now_or_never().unwrap().unwrap()
    }

    fn pair(&self) -> Announced {
        self.acquire();
        self.release()
    }

    /// The notice of a release that so many hear.
    fn of_release(&self, listeners: u32) -> Notice {
        Notice { holder: Some(self.token.fingerprint()), listeners }
    }
}

fn granted(listeners: u32) -> Announced {
    Announced { vote: Vote::granted(), listeners }
}

#[test]
fn a_release_tells_all_who_have_subscribed_to_the_resource_and_nobody_else() {
    let fixture = fixture();
    let (mut one, mut other) = (fixture.subscribe(), fixture.subscribe());
    let mut else_where = fixture.able().subscribe(&resource("order?")).now_or_never().unwrap();
    assert_eq!(fixture.pair(), granted(2));
    for stream in [&mut one, &mut other] {
        assert_eq!(come(stream), (vec![fixture.of_release(2)], false));
    }
    assert_eq!(come(else_where.as_mut().unwrap()), (vec![], false));
    let again = Announced { vote: Vote::not_held(), listeners: 0 };
    assert_eq!(fixture.release(), again, "it deletes nothing");
    assert_eq!(come(&mut one), (vec![], false));
}

#[test]
fn only_releases_that_are_to_be_announced_and_notifications_tell_anybody() {
    let fixture = fixture();
    let mut stream = fixture.subscribe();
    fixture.acquire();
    fixture.node.release(&fixture.orders, &fixture.token).now_or_never().unwrap().unwrap();
    fixture.acquire();
    let other = Token::from_bytes(*b"u").unwrap();
    let refused = fixture.able().release_and_notify(&fixture.orders, &other);
    let remaining = Some(Duration::from_secs(10));
    let vote = Vote::held_by(fixture.token.fingerprint(), remaining);
    assert_eq!(
        refused.now_or_never().unwrap().unwrap(),
        Announced { vote, listeners: 0 },
        "it is another's"
    );
    fixture.node.evict(&fixture.orders);
    assert_eq!(come(&mut stream), (vec![], false));
    fixture.able().notify(&fixture.orders).now_or_never().unwrap().unwrap();
    assert_eq!(come(&mut stream), (vec![Notice { holder: None, listeners: 1 }], false));
    let calls = fixture.node.calls();
    assert_eq!((calls.subscribe, calls.notify, calls.release), (1, 1, 2));
    assert_eq!(calls.total(), 6);
}

#[test]
fn dropping_a_stream_ends_its_subscription_and_no_other() {
    let fixture = fixture();
    let (one, mut other) = (fixture.subscribe(), fixture.subscribe());
    assert_eq!(fixture.node.subscriptions(&fixture.orders), 2);
    drop(one);
    assert_eq!(fixture.node.subscriptions(&fixture.orders), 1);
    assert_eq!(fixture.pair(), granted(1));
    assert_eq!(come(&mut other), (vec![fixture.of_release(1)], false));
    drop(other);
    assert_eq!(fixture.node.subscriptions(&fixture.orders), 0);
    assert_eq!(fixture.pair(), granted(0));
}

#[test]
fn a_crash_and_a_cut_end_every_stream_with_what_it_has() {
    let end: [fn(&MemoryNode); 2] = [MemoryNode::crash, MemoryNode::cut_subscriptions];
    for end in end {
        let fixture = fixture();
        let mut stream = fixture.subscribe();
        fixture.pair();
        end(&fixture.node);
        assert_eq!(fixture.node.subscriptions(&fixture.orders), 0);
        fixture.node.restart();
        let mut later = fixture.subscribe();
        assert_eq!(fixture.pair(), granted(1));
        assert_eq!(come(&mut stream), (vec![fixture.of_release(1)], true));
        assert_eq!(come(&mut later), (vec![fixture.of_release(1)], false));
    }
}

#[test]
fn nobody_subscribes_to_a_node_that_is_down() {
    let fixture = fixture();
    fixture.node.crash();
    let error = fixture.try_subscribe().err().unwrap();
    assert_eq!((error.kind(), error.delivery()), (FailureKind::Unreachable, Delivery::NotSent));
}

#[test]
fn a_subscription_to_a_node_that_hangs_waits_and_one_that_was_given_up_is_none() {
    let fixture = fixture();
    fixture.node.hang();
    let mut waits = fixture.able().subscribe(&fixture.orders);
    let mut given_up = fixture.able().subscribe(&fixture.orders);
    assert!((&mut waits).now_or_never().is_none());
    assert!((&mut given_up).now_or_never().is_none());
    drop(given_up);
    fixture.node.resume();
    assert_eq!(fixture.node.calls().subscribe, 2, "both requests had been sent");
    assert_eq!(fixture.node.subscriptions(&fixture.orders), 1);
    let mut stream = waits.now_or_never().unwrap().unwrap();
    fixture.acquire();
    fixture.node.hang();
    let mut release = fixture.able().release_and_notify(&fixture.orders, &fixture.token);
    assert!((&mut release).now_or_never().is_none());
    assert_eq!(come(&mut stream), (vec![], false));
    fixture.node.resume();
    assert_eq!(come(&mut stream), (vec![fixture.of_release(1)], false));
}

#[test]
fn a_node_that_may_not_tell_anybody_releases_all_the_same() {
    let fixture = fixture();
    let mut stream = fixture.subscribe();
    fixture.node.forbid_notices();
    assert_eq!(come(&mut stream), (vec![], true));
    let refused = fixture.try_subscribe().err().unwrap();
    assert_eq!((refused.kind(), refused.delivery()), (FailureKind::Rejected, Delivery::Refused));
    let notify = fixture.able().notify(&fixture.orders).now_or_never().unwrap();
    assert_eq!(notify.unwrap_err().kind(), FailureKind::Rejected);
    assert_eq!(fixture.pair(), granted(0));
    assert!(fixture.node.keys().is_empty());
    fixture.node.allow_notices();
    let mut stream = fixture.subscribe();
    fixture.pair();
    assert_eq!(come(&mut stream), (vec![fixture.of_release(1)], false));
}

#[test]
fn a_mute_node_has_no_notifications() {
    let fixture = fixture();
    let mut stream = fixture.subscribe();
    fixture.node.mute();
    assert!(fixture.node.notifications().is_none());
    assert_eq!(come(&mut stream), (vec![], true));
    let unsupported = Notifications::subscribe(&fixture.node, &fixture.orders);
    let error = unsupported.now_or_never().unwrap().err().unwrap();
    assert_eq!(error.kind(), FailureKind::Unsupported);
    fixture.node.allow_notices();
    assert!(fixture.node.notifications().is_some());
}

#[test]
fn notices_can_be_lost_repeated_and_held_back() {
    let fixture = fixture();
    let mut stream = fixture.subscribe();
    let notice = fixture.of_release(1);
    fixture.node.lose_notices(2);
    fixture.node.repeat_notices(1);
    for expected in [0, 0, 2, 1] {
        assert_eq!(fixture.pair(), granted(1), "the release is not touched");
        assert_eq!(come(&mut stream), (vec![notice; expected], false));
    }
    fixture.node.hold_notices();
    fixture.pair();
    fixture.able().notify(&fixture.orders).now_or_never().unwrap().unwrap();
    fixture.node.hold_notices();
    assert_eq!(come(&mut stream), (vec![], false));
    fixture.node.deliver_notices();
    let second = Notice { holder: None, listeners: 1 };
    assert_eq!(come(&mut stream), (vec![notice, second], false));
    fixture.pair();
    assert_eq!(come(&mut stream), (vec![notice], false));
    fixture.node.hold_notices();
    fixture.pair();
    fixture.node.cut_subscriptions();
    fixture.node.deliver_notices();
    assert_eq!(come(&mut stream), (vec![], true), "what was held back is lost with the connection");
}

#[test]
fn a_replayed_subscription_is_one_and_a_replayed_notification_comes_twice() {
    let fixture = fixture();
    let mut stream = fixture.subscribe();
    assert!(fixture.node.replay_last());
    assert_eq!(fixture.node.subscriptions(&fixture.orders), 1);
    fixture.able().notify(&fixture.orders).now_or_never().unwrap().unwrap();
    assert!(fixture.node.replay_last());
    assert_eq!(come(&mut stream).0.len(), 2);
    drop(fixture.subscribe());
    assert!(fixture.node.replay_last());
    assert_eq!(fixture.node.subscriptions(&fixture.orders), 1, "he has gone");
}

/// Uses the node when it is woken, which would never return under the lock of the node.
struct Uses(MemoryNode, Resource);

impl std::task::Wake for Uses {
    fn wake(self: Arc<Self>) {
        let _ = self.0.subscriptions(&self.1);
        drop(self.0.subscribe(&self.1).now_or_never());
    }
}

#[test]
fn who_is_woken_may_use_the_node() {
    let fixture = fixture();
    let waker = Arc::new(Uses(fixture.node.clone(), fixture.orders.clone())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut stream = fixture.subscribe();
    let controls: [fn(&MemoryNode); 5] = [
        |_| {},
        MemoryNode::cut_subscriptions,
        MemoryNode::crash,
        MemoryNode::forbid_notices,
        MemoryNode::mute,
    ];
    for control in controls {
        fixture.node.restart();
        fixture.node.allow_notices();
        if !stream.poll_next_unpin(&mut context).is_pending() {
            stream = fixture.subscribe();
            assert!(stream.poll_next_unpin(&mut context).is_pending());
        }
        fixture.pair();
        drop(come(&mut stream));
        let _ = stream.poll_next_unpin(&mut context);
        control(&fixture.node);
    }
}
