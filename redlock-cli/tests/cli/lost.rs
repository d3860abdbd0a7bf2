//! `run`, when the lock is lost.

use std::{
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    running::is_there,
    support::{Fleet, LONG, Running},
};

/// A shell that does not care about SIGTERM, and a grandchild that does not either.
const STUBBORN: &str = "trap '' TERM; echo $$; (for n in $(seq 200); do sleep 1; done) & \
                        for n in $(seq 200); do sleep 1; done";

#[test]
fn with_all_nodes_stopped_nothing_of_the_command_is_left_when_the_ttl_ends_20_of_20() {
    let fleet = Fleet::start();
    let mut trials: Vec<_> = (0..TRIALS).map(|trial| Trial::start(&fleet, trial)).collect();
    // What they are at with their renewals is up to chance.
    thread::sleep(Duration::from_secs(3));
    fleet.freeze();
    for trial in &mut trials {
        trial.end = trial.end(&fleet);
    }
    fleet.stop();
    while trials.iter().any(|trial| trial.gone.is_none()) {
        for trial in trials.iter_mut().filter(|trial| trial.gone.is_none()) {
            assert!(trial.end.elapsed() < LONG, "{} is still there", trial.name);
            trial.gone = (!is_there(&trial.group)).then(Instant::now);
        }
        thread::sleep(Duration::from_millis(1));
    }
    for trial in &mut trials {
        let (code, err) = trial.running.ended();
        assert_eq!(code, Some(76), "{err}");
        assert!(err.contains("lost"), "{err}");
    }
    fleet.cont();
    let margin = |trial: &Trial| trial.end.checked_duration_since(trial.gone?);
    let mut margins: Vec<_> = trials.iter().filter_map(margin).collect();
    margins.sort();
    println!("ended before the ttl was over: {} of {TRIALS}; margins {margins:.0?}", margins.len());
    let late = |trial: &Trial| trial.gone?.checked_duration_since(trial.end);
    assert_eq!(
        margins.len(),
        TRIALS,
        "by {:?}",
        trials.iter().filter_map(late).collect::<Vec<_>>()
    );
}

/// One of several runs at the same time.
struct Trial {
    name: String,
    running: Running,
    group: String,
    /// When too few nodes are left that have the lock, so that another could get it.
    end: Instant,
    /// When nothing of the command was left.
    gone: Option<Instant>,
}

impl Trial {
    fn start(fleet: &Fleet, trial: usize) -> Self {
        let (name, ttl) = (format!("a{trial}"), format!("{}ms", 2000 + 50 * trial));
        let words = ["run", &name, "--ttl", &ttl, "--wait", "30s", "--", "sh", "-c", STUBBORN];
        let mut running = Running::start(&mut fleet.command(&words));
        let group = running.line();
        Self { name, running, group, end: Instant::now(), gone: None }
    }

    /// When too few nodes are left that have the lock, now that nothing is renewed any more.
    fn end(&self, fleet: &Fleet) -> Instant {
        let asked = Instant::now();
        let mut kept = fleet.kept(&self.name);
        assert_eq!(kept.len(), 3, "{}", self.name);
        // A renewal may have come to two servers when the third was frozen already: it counts, and
        // nobody else can have the lock as long as two keep it.
        kept.sort();
        asked + kept[1]
    }
}

#[test]
fn who_heeds_sigterm_has_the_time_to_tidy_up() {
    let fleet = Fleet::start();
    let script = "trap 'echo tidying; sleep 0.2; echo tidied; exit 0' TERM; echo $$; \
                  while :; do sleep 0.01; done";
    let words = ["run", "a", "--ttl", "6s", "--grace", "4s", "--", "sh", "-c", script];
    let mut running = Running::start(&mut fleet.command(&words));
    let group = running.line();
    fleet.stop();
    assert_eq!(running.line(), "tidying");
    assert_eq!(running.line(), "tidied");
    let (code, err) = running.ended();
    fleet.cont();
    assert_eq!(code, Some(76), "whatever it says itself: {err}");
    assert!(!is_there(&group));
}

#[test]
fn a_lock_that_another_takes_meanwhile_ends_the_command_and_stays_his() {
    let fleet = Fleet::start();
    let words = ["run", "a", "--ttl", "3s", "--wait", "30s", "--", "sh", "-c", STUBBORN];
    let mut running = Running::start(&mut fleet.command(&words));
    let group = running.line();
    for server in fleet.servers.iter() {
        server.cmd::<()>(&["SET", "a", "another", "PX", "60000"]).unwrap();
    }
    let taken = Instant::now();
    let (code, err) = running.ended();
    assert_eq!(code, Some(76), "{err}");
    assert!(taken.elapsed() < LONG, "{:?}", taken.elapsed());
    assert!(!is_there(&group));
    assert_eq!(fleet.holders("a"), vec![Some("another".to_owned()); 3]);
}

#[test]
fn a_command_that_ends_after_another_took_its_lock_did_not_succeed() {
    let fleet = Fleet::start();
    let (received, sent) = std::io::pipe().unwrap();
    let words = ["run", "a", "--ttl", "10m", "--", "sh", "-c", "echo; read end; exit 0"];
    let mut command = fleet.command(&words);
    let mut running = Running::start(command.stdin(received));
    running.line();
    for server in fleet.servers.iter() {
        server.cmd::<()>(&["SET", "a", "another"]).unwrap();
    }
    drop(command);
    drop(sent);
    let (code, err) = running.ended();
    assert_eq!(code, Some(76), "{err}");
    assert!(err.contains("others may have had the lock"), "{err}");
}

#[test]
fn a_stopped_command_is_killed_too() {
    let fleet = Fleet::start();
    let words = [
        "run",
        "a",
        "--ttl",
        "2s",
        "--wait",
        "30s",
        "--",
        "sh",
        "-c",
        "echo $$; kill -STOP $$; sleep 100",
    ];
    let mut running = Running::start(&mut fleet.command(&words));
    let group = running.line();
    fleet.stop();
    let (code, err) = running.ended();
    fleet.cont();
    assert_eq!(code, Some(76), "{err}");
    assert!(!is_there(&group));
}

#[test]
fn after_a_pause_of_the_whole_run_the_command_is_ended_at_once() {
    let fleet = Fleet::start();
    let words = ["run", "a", "--ttl", "2s", "--wait", "30s", "--", "sh", "-c", STUBBORN];
    let mut running = Running::start(&mut fleet.command(&words));
    let group = running.line();
    running.signal(Signal::STOP);
    thread::sleep(Duration::from_secs(4));
    assert!(is_there(&group), "this is what nobody can do anything about");
    running.signal(Signal::CONT);
    let (code, err) = running.ended();
    assert_eq!(code, Some(76), "{err}");
    assert!(!is_there(&group));
}

const TRIALS: usize = 20;
