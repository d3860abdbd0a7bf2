//! What fencing tokens are good for when locks fail, and what quarantine keeps from failing.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use crate::{
    THREADS,
    fencing::{Counters, Outcome, forgetting::forget, run},
    number_from_environment, say,
};

/// Runs all seeds with this, on all threads.
fn each_seed(seeds: u64, run: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    run(seed);
                }
            });
        }
    });
}

/// Without any assumption about time: see `fencing`.
#[test]
fn fences_grow_and_guarded_resources_lose_nothing_whatever_clocks_and_messages_do() {
    if let Some(seed) = number_from_environment("SEED") {
        let outcome = run(seed, Counters::Kept, true);
        for line in &outcome.log {
            say(format_args!("{line}"));
        }
        assert_eq!(outcome.violation, None);
        return;
    }
    let seeds = number_from_environment("SIM_SEEDS").unwrap_or(5_000);
    let (start, sum) = (Instant::now(), Mutex::new((Outcome::default(), 0)));
    each_seed(seeds, |seed| {
        let one = run(seed, Counters::Kept, false);
        let regression = (one.regressions > 0).then(|| "a fence was refused".to_owned());
        if let Some(violation) = one.violation.or(regression) {
            panic!(
                "seed {seed}: {violation}\nreplay: SEED={seed} cargo test -p redlock-testkit --test simulation fences_grow -- --nocapture"
            );
        }
        let (all, harmed) = &mut *sum.lock().unwrap();
        all.holders += one.holders;
        all.lost += one.lost;
        all.turned_away += one.turned_away;
        all.raises += one.raises;
        all.steps += one.steps;
        *harmed += u64::from(one.lost > 0);
    });
    let (all, harmed) = sum.into_inner().unwrap();
    say(format_args!(
        "{seeds} seeds, {} steps in {:.1?}: {} holders, {} raises; {} updates of the unguarded resource lost in {harmed} seeds, {} late writes turned away by the guarded one",
        all.steps,
        start.elapsed(),
        all.holders,
        all.raises,
        all.lost,
        all.turned_away
    ));
    if seeds >= 100 {
        assert!(harmed >= seeds / 5, "locks are seen to fail in {harmed} seeds only");
        assert!(all.holders >= seeds * 5 && all.turned_away >= seeds / 5, "too few: {all:?}");
    }
}

/// Fences rely on counters that are kept. One that has begun again where the clock had been set back
/// is noticed by whoever had a greater one, and shows in what two clients have between them.
#[test]
fn lost_counters_are_told_to_who_can_know_and_seen_where_nobody_can() {
    let (mut told, mut seen) = (0, 0);
    for seed in 0..500 {
        let outcome = run(seed, Counters::Lost, false);
        told += outcome.regressions;
        seen += u64::from(outcome.violation.is_some());
    }
    assert!(told > 0 && seen > 0, "{told} told, {seen} seen");
}

#[test]
fn a_seed_of_fences_replays_bit_for_bit() {
    for seed in 0..50 {
        let [first, again] = [false, true].map(|verbose| run(seed, Counters::Kept, verbose).hash);
        assert_eq!(first, again, "seed {seed}");
    }
}

#[test]
fn nodes_in_quarantine_make_no_two_holders_where_trusted_ones_do() {
    let seeds = number_from_environment("SIM_SEEDS").unwrap_or(500).min(500);
    let sum = Mutex::new((0, 0));
    each_seed(seeds, |seed| {
        let quarantined = forget(seed, true);
        assert_eq!(quarantined.overlap, None, "seed {seed}");
        let trusted = forget(seed, false);
        let (holds, overlaps) = &mut *sum.lock().unwrap();
        *holds += quarantined.holds;
        *overlaps += u64::from(trusted.overlap.is_some());
    });
    let (holds, overlaps) = sum.into_inner().unwrap();
    say(format_args!(
        "{seeds} seeds: {holds} holds in quarantine; {overlaps} seeds with two holders in trust"
    ));
    if seeds >= 100 {
        assert!(overlaps >= seeds / 20, "trust is seen to fail in {overlaps} seeds only");
        assert!(holds >= 10 * usize::try_from(seeds).unwrap(), "{holds} holds only");
    }
}
