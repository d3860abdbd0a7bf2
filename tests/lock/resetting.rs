//! Locks that are taken away from holders who live: nothing of them comes back, and those of this
//! process are told.

use std::time::Duration;

use futures::StreamExt;
use redlock_testkit::{Fault, Operation};
use redlocks::{Delivery, Error, FailureKind, Guard, LossReason, Redlock, Renewal};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::support::{MS, Nodes, SECOND};

const DOWN: Fault = Fault::Fail { kind: FailureKind::Unreachable, delivery: Delivery::NotSent };

/// Extends as often as it can, and says how often it could.
async fn cling(guard: &mut Guard) -> u32 {
    let mut extended = 0;
    while guard.extend(8 * SECOND).await.is_ok() {
        extended += 1;
        sleep(100 * MS).await;
    }
    extended
}

/// The nodes come to it at different times, and each time the holder has set it again on those that
/// were first.
#[tokio::test(start_paused = true)]
async fn whoever_renews_while_all_are_reset_has_lost_it_all_the_same() {
    for (lists, releases) in
        [([500, 1000], [0, 0]), ([0, 0], [300, 700]), ([500, 1000], [700, 300])]
    {
        let nodes = Nodes::new(3);
        let builder = nodes.builder().ttl(8 * SECOND).node_timeout(2 * SECOND);
        let holder = builder.renewal(Renewal::off()).build().unwrap();
        let operator = nodes.builder().node_timeout(2 * SECOND).build().unwrap();
        let mut guard = holder.lock("order:1").acquire().await.unwrap();
        holder.settled().await;
        for node in [0, 1] {
            nodes.script(node + 1, Operation::List, Fault::DelayRequest(lists[node] * MS));
            let delay = Fault::DelayRequest(releases[node] * MS);
            nodes.script(node + 1, Operation::Release, delay);
        }
        let resetting = async {
            sleep(50 * MS).await;
            operator.reset_all("order:").unwrap().collect::<Vec<_>>().await
        };
        let (told, clung) = futures::join!(resetting, timeout(5 * SECOND, cling(&mut guard)));
        assert!(clung.is_ok(), "it still has it, {lists:?} {releases:?}");
        assert!(!guard.is_valid());
        let mut labels: Vec<_> =
            told.iter().map(|told| told.as_ref().unwrap().label().to_owned()).collect();
        labels.sort_unstable();
        // Where it was set again meanwhile it has been removed again.
        labels.dedup();
        assert_eq!(labels, ["a", "b", "c"]);
        holder.settled().await;
        assert_eq!(nodes.count_keys(), 0);
    }
}

/// It is told of once, and no lock waits for it but those that it lists itself.
#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_holds_up_no_reset_of_all() {
    let nodes = Nodes::new(3);
    let redlock = nodes.builder().ttl(60 * SECOND).node_timeout(50 * MS).build().unwrap();
    let mut guards = Vec::new();
    for number in 0..100 {
        guards.push(redlock.lock(format!("order:{number}")).acquire().await.unwrap());
    }
    redlock.settled().await;
    nodes.memory(2).hang();
    let begun = Instant::now();
    let told: Vec<_> = redlock.reset_all("order:").unwrap().collect().await;
    // 100 one after the other would be 5 s.
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    let errors = told.iter().filter_map(|told| told.as_ref().err()).count();
    assert_eq!(told.len() - errors, 200);
    assert!((1..=3).contains(&errors), "{errors}: the listing, and once the removing");
    assert_eq!(nodes.memory(0).keys().len() + nodes.memory(1).keys().len(), 0);
    assert!(guards.iter().all(|guard| !guard.is_valid()), "they are of this process");
    nodes.memory(2).resume();
}

/// Nobody but those who were found is removed: who was woken by the reset keeps what he then got.
#[tokio::test(start_paused = true)]
async fn whoever_comes_next_is_left_alone() {
    let nodes = Nodes::new(3);
    let holder = nodes.builder().ttl(60 * SECOND).node_timeout(2 * SECOND).build().unwrap();
    let _guard = holder.lock("order:1").acquire().await.unwrap();
    holder.settled().await;
    // The last node lists what was there before, and says so when it has changed hands.
    nodes.script(2, Operation::List, Fault::DelayReply(SECOND));
    let operator = nodes.builder().node_timeout(2 * SECOND).build().unwrap();
    let next = async {
        sleep(100 * MS).await;
        nodes.redlock().lock("order:1").ttl(60 * SECOND).acquire().await.unwrap()
    };
    let (told, next) =
        futures::join!(operator.reset_all("order:").unwrap().collect::<Vec<_>>(), next);
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(nodes.tokens("order:1"), vec![Some(next.token().clone()); 3]);
}

async fn reset(redlock: &Redlock, all: bool) {
    if all {
        let told: Vec<_> = redlock.reset_all("r").unwrap().collect().await;
        assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 3);
    } else {
        assert_eq!(redlock.reset("r").await.unwrap().removed(), 3);
    }
}

/// Waits in the queue when this returns.
async fn one_behind(redlock: &Redlock) -> JoinHandle<Result<Guard, Error>> {
    let redlock = redlock.clone();
    let waiting = tokio::spawn(async move { redlock.lock("r").acquire_within(50 * SECOND).await });
    sleep(100 * MS).await;
    waiting
}

/// A renewal would come in 20 s, and the queue look for itself after 5.
#[tokio::test(start_paused = true)]
async fn holder_and_waiter_of_the_same_redlock_are_told_at_once() {
    for (all, renewal) in [
        (false, Renewal::every(20 * SECOND)),
        (true, Renewal::every(20 * SECOND)),
        (false, Renewal::off()),
    ] {
        let nodes = Nodes::new(3);
        let builder = nodes.builder().ttl(60 * SECOND).node_timeout(50 * MS);
        let redlock = builder.renewal(renewal).build().unwrap();
        let guard = redlock.lock("r").acquire().await.unwrap();
        redlock.settled().await;
        let waiting = one_behind(&redlock).await;
        let begun = Instant::now();
        reset(&redlock, all).await;
        assert!(!guard.is_valid());
        assert_eq!(guard.lost().await, LossReason::QuorumLost);
        let next = waiting.await.unwrap().unwrap();
        assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
        assert!(next.is_valid());
        assert_eq!(nodes.tokens("r"), vec![Some(next.token().clone()); 3]);
    }
}

/// What the reset may have left of the holder is released later, when nobody else waits for it.
#[tokio::test(start_paused = true)]
async fn whoever_waits_behind_a_holder_who_is_reset_waits_neither_for_its_grace_nor_its_shortest_hold()
 {
    for (grace, least) in [(8 * SECOND, Duration::ZERO), (Duration::ZERO, 40 * SECOND)] {
        let nodes = Nodes::new(3);
        let builder = nodes.builder().ttl(60 * SECOND).node_timeout(50 * MS);
        let redlock = builder.grace(grace).build().unwrap();
        let guard = redlock.lock("r").hold_at_least(least).acquire().await.unwrap();
        redlock.settled().await;
        let waiting = one_behind(&redlock).await;
        let begun = Instant::now();
        reset(&redlock, false).await;
        assert_eq!(guard.lost().await, LossReason::QuorumLost);
        let next = waiting.await.unwrap().unwrap();
        assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
        redlock.settled().await;
        assert!(next.is_valid());
        assert_eq!(nodes.tokens("r"), vec![Some(next.token().clone()); 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_of_this_process_is_told_of_the_reset_of_one_of_its_resources() {
    let nodes = Nodes::new(3);
    let redlock = nodes.builder().ttl(60 * SECOND).node_timeout(50 * MS).build().unwrap();
    let set = redlock.lock_all(["a", "b"]).acquire().await.unwrap();
    let other = redlock.lock("c").acquire().await.unwrap();
    redlock.settled().await;
    assert_eq!(redlock.reset("b").await.unwrap().removed(), 3);
    assert!(!set.is_valid());
    assert!(other.is_valid(), "another lock");
    redlock.settled().await;
    assert!(nodes.tokens("a").iter().all(Option::is_none), "what was left of it is given up");
}

/// A quorum still has it, so it is a lock as before.
#[tokio::test(start_paused = true)]
async fn a_reset_that_most_nodes_did_not_carry_out_is_no_loss() {
    let nodes = Nodes::new(3);
    let redlock = nodes.builder().ttl(60 * SECOND).node_timeout(50 * MS).build().unwrap();
    let guard = redlock.lock("r").acquire().await.unwrap();
    redlock.settled().await;
    for node in 0..2 {
        nodes.script(node, Operation::Reset, DOWN);
    }
    let reset = redlock.reset("r").await.unwrap();
    assert_eq!((reset.removed(), reset.is_complete()), (1, false));
    assert!(guard.is_valid());
    sleep(25 * SECOND).await;
    assert_eq!(nodes.tokens("r"), vec![Some(guard.token().clone()); 3], "renewed and healed");
}
