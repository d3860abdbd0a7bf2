use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use redlock_core::{ConfigError, Redlock, Resource};

use super::*;
use crate::MemoryNode;

const MS: Duration = Duration::from_millis(1);

type Seen<T> = Arc<Mutex<Vec<T>>>;

fn order_of_tasks(seed: u64) -> (Vec<u32>, u64) {
    let sim = SimRuntime::new(seed);
    let seen: Seen<u32> = Arc::default();
    for task in 0..8 {
        let (seen, timer) = (Arc::clone(&seen), sim.sleep(MS));
        sim.spawn(async move {
            timer.await;
            seen.lock().unwrap().push(task);
        })
        .unwrap();
    }
    sim.run_until_idle();
    let order = seen.lock().unwrap().clone();
    (order, sim.log_hash())
}

#[test]
fn the_seed_decides_the_order_of_everything() {
    assert_eq!(order_of_tasks(1), order_of_tasks(1));
    let orders: std::collections::BTreeSet<_> = (0..20).map(order_of_tasks).collect();
    assert_eq!(orders.len(), 20);
}

#[test]
fn time_jumps_to_the_next_timer_and_no_further() {
    let sim = SimRuntime::new(0);
    let start = sim.now();
    let (long, short) = (sim.sleep(3600 * 1000 * MS), sim.sleep(5 * MS));
    sim.block_on(async {
        futures::future::select(pin!(long), pin!(short)).await;
    });
    assert_eq!(sim.now().since(start), 5 * MS);
    sim.run_until_idle();
    assert_eq!(sim.now().since(start), 5 * MS, "a dropped timer is none");
}

#[test]
fn advance_stops_exactly_where_it_should() {
    let sim = SimRuntime::new(0);
    let fired: Arc<AtomicU32> = Arc::default();
    let start = sim.now();
    for at in [1, 10, 11] {
        let fired = Arc::clone(&fired);
        sim.at(start.after(at * MS), move || {
            fired.fetch_add(1, Ordering::Relaxed);
        });
    }
    sim.advance(10 * MS);
    assert_eq!(fired.load(Ordering::Relaxed), 2);
    assert_eq!(sim.now().since(start), 10 * MS);
}

#[test]
fn a_frozen_client_stands_still_while_time_and_the_others_go_on() {
    let sim = SimRuntime::new(0);
    let (frozen, other) = (sim.client(), sim.client());
    let woken: Seen<(&str, Duration)> = Arc::default();
    let start = sim.now();
    for (name, client) in [("frozen", &frozen), ("other", &other)] {
        let (woken, sim, timer) = (Arc::clone(&woken), sim.clone(), client.sleep(5 * MS));
        client
            .spawn(async move {
                timer.await;
                woken.lock().unwrap().push((name, sim.now().since(start)));
            })
            .unwrap();
    }
    frozen.freeze(20 * MS);
    frozen.freeze(10 * MS);
    sim.run_until_idle();
    assert_eq!(*woken.lock().unwrap(), [("other", 5 * MS), ("frozen", 20 * MS)]);
    sim.shut_down();
}

#[test]
fn clients_have_clocks_of_their_own() {
    let sim = SimRuntime::new(0);
    let (fast, slow) = (sim.client(), sim.client());
    fast.clock_rate(2.0);
    slow.clock_rate(0.5);
    let (start, true_start) = ([fast.now(), slow.now()], sim.now());
    assert_ne!(start[0], start[1]);
    sim.block_on(fast.sleep(10 * MS));
    assert_eq!(sim.now().since(true_start), 5 * MS);
    sim.block_on(slow.sleep(10 * MS));
    assert_eq!(sim.now().since(true_start), 25 * MS);
    assert_eq!(fast.now().since(start[0]), 50 * MS);
    assert_eq!(slow.true_time(start[1].after(10 * MS)), true_start.after(20 * MS));
}

#[test]
fn by_a_clock_that_stands_still_no_timer_fires() {
    let sim = SimRuntime::new(0);
    let client = sim.client();
    client.clock_rate(0.0);
    let woken: Arc<AtomicU32> = Arc::default();
    let (seen, timer) = (Arc::clone(&woken), client.sleep(10 * MS));
    client
        .spawn(async move {
            timer.await;
            seen.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
    let watched = sim.clone();
    sim.after_each_step(move || assert!(watched.steps() < 10, "it spins"));
    sim.run_until_idle();
    assert_eq!(woken.load(Ordering::Relaxed), 0);
    sim.shut_down();
}

#[test]
fn a_rate_at_which_no_clock_runs_is_refused() {
    let sim = SimRuntime::new(0);
    let (client, node) = (sim.client(), MemoryNode::new("n", sim.shared()));
    for rate in [-1.0, f64::NEG_INFINITY, f64::INFINITY, f64::NAN] {
        let set: [Box<dyn Fn()>; 2] =
            [Box::new(|| client.clock_rate(rate)), Box::new(|| node.clock_rate(rate))];
        for set in set {
            let refused = catch_unwind(AssertUnwindSafe(set)).unwrap_err();
            let why = refused.downcast::<String>().unwrap();
            assert!(why.contains(&format!("cannot run {rate} times")), "{why}");
        }
    }
    let (shown, start) = (client.now(), sim.now());
    sim.advance(10 * MS);
    assert_eq!((client.now().since(shown), sim.now().since(start)), (10 * MS, 10 * MS));
}

#[test]
fn a_clock_that_jumps_leaves_timers_as_they_were_set() {
    let sim = SimRuntime::new(0);
    let client = sim.client();
    let (start, shown) = (sim.now(), client.now());
    let mut timer = pin!(client.sleep(20 * MS));
    assert!(sim.block_on(futures::future::poll_immediate(&mut timer)).is_none());
    client.step_clock_forward(15 * MS);
    assert_eq!(client.now().since(shown), 15 * MS);
    sim.block_on(timer);
    assert_eq!(sim.now().since(start), 20 * MS);
    assert_eq!(client.now().since(shown), 35 * MS);
}

#[test]
fn hooks_run_after_every_step_and_see_clocks_that_do_not_stall() {
    let sim = SimRuntime::new(0);
    let client = sim.client();
    sim.stalls(1.0, 10 * MS);
    let seen: Arc<AtomicU32> = Arc::default();
    let (count, watched) = (Arc::clone(&seen), (sim.clone(), client.clone()));
    sim.after_each_step(move || {
        count.fetch_add(1, Ordering::Relaxed);
        let before = watched.0.now();
        let _ = watched.1.now();
        assert_eq!(watched.0.now(), before);
    });
    sim.block_on(async {
        let before = sim.now();
        let _ = client.now();
        assert!(sim.now() > before, "the reading took its time");
        sim.sleep(MS).await;
    });
    assert_eq!(u64::from(seen.load(Ordering::Relaxed)), sim.steps());
    assert_eq!(sim.steps(), 3);
    sim.shut_down();
}

#[test]
fn steps_take_time_if_they_are_told_to() {
    let sim = SimRuntime::new(3);
    sim.step_time(MS);
    let start = sim.now();
    sim.block_on(async {});
    let took = sim.now().since(start);
    assert!(took > Duration::ZERO && took <= MS);
}

#[test]
#[should_panic(expected = "everything waits, and no timer is left to wake anything")]
fn waiting_for_nothing_is_found_out() {
    SimRuntime::new(0).block_on(std::future::pending::<()>());
}

#[test]
fn a_timer_beyond_the_end_of_time_never_fires() {
    let sim = SimRuntime::new(0);
    let shared = sim.shared();
    sim.spawn(shared.sleep_until(Moment::at(Duration::MAX))).unwrap();
    sim.run_until_idle();
    assert!(sim.now() < Moment::at(Duration::from_secs(3601)));
    sim.shut_down();
}

#[test]
fn after_the_end_nothing_is_left_and_nothing_begins() {
    let sim = SimRuntime::new(0);
    let kept = Arc::new(());
    let held = Arc::clone(&kept);
    sim.spawn(async move {
        std::future::pending::<()>().await;
        drop(held);
    })
    .unwrap();
    sim.run_until_idle();
    sim.shut_down();
    assert_eq!(Arc::strong_count(&kept), 1);
    assert_eq!(sim.spawn(async {}), Err(NoRuntime));
}

#[test]
fn notes_are_part_of_the_hash_and_readable_if_kept() {
    let hash = |note: &str| {
        let sim = SimRuntime::new(0);
        sim.keep_log();
        sim.note(format_args!("{note}"));
        (sim.log_hash(), sim.log_lines())
    };
    assert_eq!(hash("a"), hash("a"));
    assert_ne!(hash("a").0, hash("b").0);
    assert!(hash("a").1[0].ends_with(" ms  a"));
}

#[test]
fn holders_are_counted_over_the_network_by_nodes_that_can() {
    let sim = SimRuntime::new(0);
    let cluster = SimCluster::new(&sim, 3);
    let resource = Resource::new("r").unwrap();
    let redlock = || {
        let client = sim.client();
        Redlock::builder().nodes(cluster.links()).runtime(client.shared()).fencing(true).build()
    };
    let lock = redlock().unwrap().lock("r");
    let mut fences = Vec::new();
    for raises in [true, false] {
        let guard = sim.block_on(lock.try_acquire()).unwrap();
        fences.extend(guard.fencing_token());
        // So long that the last node has voted, too.
        sim.block_on(sim.sleep(1000 * MS));
        sim.block_on(guard.release());
        let raised: u64 = cluster.nodes().iter().map(|node| node.calls().raise).sum();
        assert_eq!(raised > 0, raises, "counters begin at different times, and agree from then on");
        cluster.nodes().iter().for_each(MemoryNode::reset_calls);
    }
    assert!(fences[1] > fences[0]);
    let shown = cluster.nodes().iter().filter(|node| node.counter(&resource) == Some(fences[1]));
    assert!(shown.count() >= 2);
    cluster.nodes()[1].stop_counting();
    assert_eq!(redlock().unwrap_err(), ConfigError::NoFencing { label: "node-2".into() });
}
