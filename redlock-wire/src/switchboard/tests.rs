use std::collections::VecDeque;

use futures::{FutureExt, StreamExt};
use redlock_core::{Fingerprint, Resource};

use super::*;

fn channel(name: &str) -> Channel {
    Channel::of(&Resource::new(name).unwrap())
}

fn switchboard() -> (Switchboard, Operator) {
    Switchboard::new("n".into())
}

fn errand(operator: &mut Operator) -> Option<Errand> {
    operator.errand().now_or_never()
}

fn is_subscribed(subscription: &Subscription) -> bool {
    subscription.subscribed().now_or_never().is_some_and(|subscribed| subscribed.is_ok())
}

/// A subscriber that the server has acknowledged.
fn subscriber(switchboard: &Switchboard, operator: &mut Operator, name: &str) -> Subscription {
    let subscription = switchboard.join(channel(name)).unwrap();
    assert_eq!(errand(operator), Some(Errand::Subscribe(channel(name))));
    operator.subscribed(&channel(name));
    assert!(is_subscribed(&subscription));
    subscription
}

fn tell(operator: &Operator, name: &str, message: &str) {
    operator.deliver(channel(name).as_str().as_bytes(), message.as_bytes());
}

fn next(subscription: &mut Subscription) -> Option<Option<Notice>> {
    subscription.next().now_or_never()
}

const NOTICE: Notice = Notice { holder: Some(Fingerprint::new(7)), listeners: 2 };
const MESSAGE: &str = "0000000000000007 2";

#[test]
fn a_channel_is_subscribed_to_with_its_first_subscriber_and_left_with_the_last() {
    let (switchboard, mut operator) = switchboard();
    assert!(operator.is_idle());
    let first = switchboard.join(channel("r")).unwrap();
    let second = switchboard.join(channel("r")).unwrap();
    assert!(!operator.is_idle());
    assert_eq!(errand(&mut operator), Some(Errand::Subscribe(channel("r"))));
    assert_eq!(errand(&mut operator), None, "once for both");
    assert!(!is_subscribed(&first) && !is_subscribed(&second));
    operator.subscribed(&channel("r"));
    assert!(is_subscribed(&first) && is_subscribed(&second));
    let third = switchboard.join(channel("r")).unwrap();
    assert!(is_subscribed(&third), "the server need not be asked");
    drop((first, second));
    assert_eq!(errand(&mut operator), None);
    drop(third);
    assert!(operator.is_idle());
    assert_eq!(errand(&mut operator), Some(Errand::Unsubscribe(channel("r"))));
    operator.unsubscribed(&channel("r"));
    assert_eq!(errand(&mut operator), None);
    assert!(operator.shared.state().lines.is_empty(), "something is kept of every channel");
}

#[test]
fn a_message_reaches_all_subscribers_of_its_channel_and_nobody_else() {
    let (switchboard, mut operator) = switchboard();
    let mut a = subscriber(&switchboard, &mut operator, "a");
    let mut also_a = switchboard.join(channel("a")).unwrap();
    let mut b = subscriber(&switchboard, &mut operator, "b");
    tell(&operator, "a", MESSAGE);
    tell(&operator, "c", MESSAGE);
    operator.deliver(b"\xff", MESSAGE.as_bytes());
    assert_eq!(next(&mut a), Some(Some(NOTICE)));
    assert_eq!(next(&mut also_a), Some(Some(NOTICE)));
    for subscription in [&mut a, &mut also_a, &mut b] {
        assert_eq!(next(subscription), None);
    }
}

#[test]
fn one_who_comes_while_a_channel_is_being_left_waits_for_an_acknowledgement_of_its_own() {
    let (switchboard, mut operator) = switchboard();
    drop(subscriber(&switchboard, &mut operator, "r"));
    assert_eq!(errand(&mut operator), Some(Errand::Unsubscribe(channel("r"))));
    let subscription = switchboard.join(channel("r")).unwrap();
    assert_eq!(errand(&mut operator), None, "two requests are under way for one channel");
    assert!(!is_subscribed(&subscription));
    operator.unsubscribed(&channel("r"));
    assert!(!is_subscribed(&subscription));
    assert_eq!(errand(&mut operator), Some(Errand::Subscribe(channel("r"))));
    operator.subscribed(&channel("r"));
    assert!(is_subscribed(&subscription));
}

#[test]
fn one_who_goes_before_the_acknowledgement_is_not_forgotten_on_the_wire() {
    let (switchboard, mut operator) = switchboard();
    let subscription = switchboard.join(channel("r")).unwrap();
    assert_eq!(errand(&mut operator), Some(Errand::Subscribe(channel("r"))));
    drop(subscription);
    assert_eq!(errand(&mut operator), None);
    operator.subscribed(&channel("r"));
    assert_eq!(errand(&mut operator), Some(Errand::Unsubscribe(channel("r"))));
}

#[test]
fn who_comes_and_goes_before_anything_is_said_costs_nothing() {
    let (switchboard, mut operator) = switchboard();
    for _ in 0..3 {
        drop(switchboard.join(channel("r")).unwrap());
    }
    assert_eq!(operator.shared.state().changed.len(), 1);
    assert_eq!(errand(&mut operator), None);
    assert!(operator.shared.state().lines.is_empty());
    let kept = subscriber(&switchboard, &mut operator, "r");
    drop(kept);
    let back = switchboard.join(channel("r")).unwrap();
    assert!(is_subscribed(&back));
    assert_eq!(errand(&mut operator), None, "the channel is left although somebody has come");
}

#[test]
fn a_refusal_is_for_the_subscribers_of_its_channel_and_the_next_one_is_asked_for_again() {
    let (switchboard, mut operator) = switchboard();
    let mut other = subscriber(&switchboard, &mut operator, "other");
    let mut refused = switchboard.join(channel("r")).unwrap();
    assert_eq!(errand(&mut operator), Some(Errand::Subscribe(channel("r"))));
    operator.refused(&channel("r"), &NodeError::new("n", FailureKind::Rejected));
    let error = refused.subscribed().now_or_never().unwrap().unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected);
    assert_eq!(next(&mut refused), Some(None));
    assert_eq!(next(&mut other), None);
    drop(refused);
    drop(subscriber(&switchboard, &mut operator, "r"));
}

#[test]
fn when_the_connection_ends_so_do_all_streams_and_what_waits_fails() {
    let (switchboard, mut operator) = switchboard();
    let mut subscribed = subscriber(&switchboard, &mut operator, "a");
    let waiting = switchboard.join(channel("b")).unwrap();
    tell(&operator, "a", MESSAGE);
    operator.end(&NodeError::new("n", FailureKind::Unreachable));
    assert_eq!(next(&mut subscribed), Some(Some(NOTICE)), "what has come is told");
    assert_eq!(next(&mut subscribed), Some(None));
    let error = waiting.subscribed().now_or_never().unwrap().unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unreachable);
    assert!(switchboard.is_over());
    assert!(switchboard.join(channel("a")).is_none());
}

#[test]
fn an_operator_that_is_dropped_closes_the_connection() {
    let (switchboard, operator) = switchboard();
    let waiting = switchboard.join(channel("r")).unwrap();
    drop(operator);
    let error = waiting.subscribed().now_or_never().unwrap().unwrap_err();
    assert_eq!(error.kind(), FailureKind::Closed);
    assert!(switchboard.is_over());
}

#[test]
fn it_is_closed_only_while_nobody_listens() {
    let (switchboard, mut operator) = switchboard();
    let subscription = subscriber(&switchboard, &mut operator, "r");
    assert!(!operator.close_if_idle());
    assert!(!switchboard.is_over());
    drop(subscription);
    assert!(operator.close_if_idle());
    assert!(switchboard.join(channel("r")).is_none());
}

#[test]
fn the_operator_is_woken_by_whatever_it_has_to_say() {
    let (switchboard, mut operator) = switchboard();
    let subscription = futures::executor::block_on(async {
        let errand = operator.errand();
        let (errand, joined) = futures::join!(errand, async { switchboard.join(channel("r")) });
        assert_eq!(errand, Errand::Subscribe(channel("r")));
        joined.unwrap()
    });
    operator.subscribed(&channel("r"));
    futures::executor::block_on(async {
        let (errand, ()) = futures::join!(operator.errand(), async { drop(subscription) });
        assert_eq!(errand, Errand::Unsubscribe(channel("r")));
    });
}

/// A server that hears of one channel, and answers when told to.
#[derive(Default)]
struct Server {
    heard: Option<Errand>,
    is_subscribed: bool,
}

impl Server {
    fn take(&mut self, operator: &mut Operator) {
        let Some(errand) = errand(operator) else { return };
        assert_eq!(self.heard, None, "two requests are under way for one channel");
        // It acts at once, and its answer is on the way.
        self.is_subscribed = matches!(errand, Errand::Subscribe(_));
        self.heard = Some(errand);
    }

    fn answer(&mut self, operator: &Operator) {
        match self.heard.take() {
            Some(Errand::Subscribe(channel)) => operator.subscribed(&channel),
            Some(Errand::Unsubscribe(channel)) => operator.unsubscribed(&channel),
            None => {}
        }
    }
}

#[test]
fn in_whatever_order_things_happen_who_is_subscribed_is_heard_and_nobody_else_costs_anything() {
    const STEPS: u32 = 8;
    for order in 0..4_u32.pow(STEPS) {
        let (switchboard, mut operator) = switchboard();
        let (mut server, mut subscribers) = (Server::default(), VecDeque::new());
        for step in 0..STEPS {
            match order / 4_u32.pow(step) % 4 {
                0 => subscribers.push_back(switchboard.join(channel("r")).unwrap()),
                1 => drop(subscribers.pop_front()),
                2 => server.take(&mut operator),
                _ => server.answer(&operator),
            }
            let is_deaf = !server.is_subscribed && subscribers.iter().any(is_subscribed);
            assert!(!is_deaf, "order {order}: a subscriber is told that he hears and does not");
        }
        for _ in 0..3 {
            server.answer(&operator);
            server.take(&mut operator);
        }
        assert!(subscribers.iter().all(is_subscribed), "order {order}: somebody waits for ever");
        assert_eq!(server.is_subscribed, !subscribers.is_empty(), "order {order}");
        assert_eq!(operator.shared.state().lines.is_empty(), subscribers.is_empty());
    }
}
