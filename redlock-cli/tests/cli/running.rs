//! `run`, while the lock is held.

use std::{fs, path::Path, process::Command, time::SystemTime};

use redlock_testkit::server::Server;
use rustix::process::{Pid, Signal, test_kill_process_group};

use crate::{
    locks::subscribed,
    support::{Fleet, Running, Said, until},
};

/// Whether anybody is left in the process group of this number.
pub(crate) fn is_there(group: &str) -> bool {
    let group = Pid::from_raw(group.parse().unwrap()).unwrap();
    test_kill_process_group(group).is_ok()
}

#[test]
fn the_code_of_the_command_is_the_code_of_the_run() {
    let fleet = Fleet::start();
    for code in [0, 1, 2, 3, 69, 70, 75, 76, 255] {
        let said = fleet.says(&["run", "a", "--", "sh", "-c", &format!("exit {code}")]);
        assert_eq!((said.code, &*said.err), (Some(code), ""), "{said:?}");
        assert_eq!(fleet.holders("a"), vec![None; 3]);
    }
    for (signal, code) in [("KILL", 137), ("TERM", 143)] {
        let said = fleet.says(&["run", "a", "--", "sh", "-c", &format!("kill -{signal} $$")]);
        assert_eq!(said.code, Some(code), "{said:?}");
    }
}

#[test]
fn the_command_knows_its_lock() {
    let fleet = Fleet::start();
    let script = "echo \"$REDLOCK_RESOURCE\"; echo $REDLOCK_TOKEN; echo $REDLOCK_DEADLINE; \
                  echo ${REDLOCK_FENCING_TOKEN-none}; ps -o pgid= -p $$; echo $$; read end";
    for fencing in [false, true] {
        let mut words = vec!["run", "a b", "--ttl", "10m", "--grace", "1s"];
        words.extend(fencing.then_some("--fencing"));
        words.extend(["--", "sh", "-c", script]);
        let (received, sent) = std::io::pipe().unwrap();
        let mut command = fleet.command(&words);
        command.env("REDLOCK_FENCING_TOKEN", "of another lock").stdin(received);
        let mut running = Running::start(&mut command);
        assert_eq!(running.line(), "a b");
        let token = running.line();
        until("all have it", || fleet.holders("a b") == vec![Some(token.clone()); 3]);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let left = running.line().parse::<f64>().unwrap() - now.as_secs_f64();
        assert!((400.0..599.0).contains(&left), "{left}");
        assert_eq!(running.line().parse::<u64>().is_ok(), fencing);
        let (group, id) = (running.line(), running.line());
        assert_eq!(group.trim(), id, "a group of its own");
        drop(command);
        drop(sent);
        assert_eq!(running.ended().0, Some(1), "the end of its input");
    }
}

#[test]
fn a_lock_lasts_as_long_as_its_command() {
    let fleet = Fleet::start();
    let (received, sent) = std::io::pipe().unwrap();
    let words = ["run", "a", "--ttl", "6s", "--", "sh", "-c", "echo; read end; exit 9"];
    let mut command = fleet.command(&words);
    let mut running = Running::start(command.stdin(received));
    running.line();
    until("all have it", || fleet.holders("a").iter().all(Option::is_some));
    let holders = fleet.holders("a");
    std::thread::sleep(std::time::Duration::from_secs(8));
    assert_eq!(fleet.holders("a"), holders);
    drop(command);
    drop(sent);
    assert_eq!(running.ended().0, Some(9));
    assert_eq!(fleet.holders("a"), vec![None; 3]);
}

#[test]
fn what_cannot_be_run_is_told_and_the_lock_given_up() {
    let fleet = Fleet::start();
    let token = fleet.lock("taken", "60s");
    for (words, code) in [
        (&["run", "a", "--", "no-such-command"][..], 127),
        (&["run", "a", "--", "/"], 126),
        (&["run", "a", "--grace", "1ms", "--", "true"], 2),
        (&["run", "a", "--ttl", "3s", "--grace", "3s", "--", "true"], 2),
        (&["run", "a"], 2),
        (&["run", "taken", "--", "true"], 75),
        (&["run", "taken", "--wait", "200ms", "--", "true"], 75),
    ] {
        let said = fleet.says(words);
        assert_eq!((said.code, &*said.out), (Some(code), ""), "{words:?} {said:?}");
        assert!(!said.err.is_empty() && !said.err.contains(&token), "{words:?} {said:?}");
        assert_eq!(fleet.holders("a"), vec![None; 3], "{words:?}");
    }
    let said = fleet.says(&["run", "taken", "--json", "--", "true"]);
    let object: serde_json::Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!((&object["outcome"], &object["exit_code"]), (&"not_acquired".into(), &75.into()));
    fleet.servers.iter().for_each(|server| server.stop());
    let said = fleet.says(&["run", "a", "--timeout", "200ms", "--", "true"]);
    fleet.cont();
    assert_eq!(said.code, Some(69), "{said:?}");
}

#[test]
fn signals_go_on_to_the_command() {
    let fleet = Fleet::start();
    for (name, signal) in [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("TERM", Signal::TERM),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("ALRM", Signal::ALARM),
        ("WINCH", Signal::WINCH),
    ] {
        // The grandchild gets it as well, and tells.
        let script = format!(
            "trap : {name}; \
             sh -c 'trap \"echo got it; exit\" {name}; echo ready; while :; do sleep 0.01; done'; \
             exit 42"
        );
        let mut running =
            Running::start(&mut fleet.command(&["run", "a", "--", "sh", "-c", &script]));
        assert_eq!(running.line(), "ready");
        running.signal(signal);
        assert_eq!(running.line(), "got it", "{name}");
        assert_eq!(running.ended().0, Some(42), "{name}");
        assert_eq!(fleet.holders("a"), vec![None; 3]);
    }
}

#[test]
fn a_hang_up_that_was_ignored_before_is_nothing_to_the_command() {
    let fleet = Fleet::start();
    let mut command = Command::new("sh");
    let redlock = env!("CARGO_BIN_EXE_redlock");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh", redlock, "run", "a", "--", "sh", "-c"]);
    command.args(["echo ready; kill -HUP $$; read line; echo survived; exit 7"]);
    let (received, sent) = std::io::pipe().unwrap();
    command.env("REDLOCK_NODES", fleet.servers.urls().join(" ")).stdin(received);
    let mut running = Running::start(&mut command);
    drop(command);
    assert_eq!(running.line(), "ready");
    running.signal(Signal::HUP);
    // It comes after the signal, and is seen by a command that is still there.
    running.signal(Signal::WINCH);
    drop(sent);
    assert_eq!(running.line(), "survived");
    assert_eq!(running.ended().0, Some(7));
}

#[cfg(target_os = "linux")]
#[test]
fn whoever_starts_it_may_have_it_ignore_or_block_the_end_of_children() {
    let fleet = Fleet::start();
    for how in ["--ignore-signal=CHLD", "--block-signal=CHLD"] {
        let mut command = Command::new("env");
        command.args([how, env!("CARGO_BIN_EXE_redlock"), "run", "a", "--ttl", "3s", "--"]);
        // Those of its own are then none that it could wait for.
        command.args(["sh", "-c", "grep SigIgn /proc/$$/status; exit 3"]);
        command.env("REDLOCK_NODES", fleet.servers.urls().join(" "));
        let mut running = Running::start(&mut command);
        let mask = running.line();
        let mask = mask.split_whitespace().last().unwrap();
        let mask = u64::from_str_radix(mask, 16).unwrap();
        assert_eq!(mask & (1 << (Signal::CHILD.as_raw() - 1)), 0, "{how}: {mask:x}");
        assert_eq!(running.ended(), (Some(3), String::new()), "{how}");
        assert_eq!(fleet.holders("a"), vec![None; 3], "{how}");
    }
}

/// It becomes the parent of orphans, so nobody else reaps them.
#[cfg(target_os = "linux")]
#[test]
fn orphans_that_end_while_the_command_runs_are_reaped() {
    let fleet = Fleet::start();
    // One stays in the group, one leaves it.
    let script = "(sleep 0 & echo $!) & (setsid true & echo $!) & wait; read end; exit 4";
    let (received, sent) = std::io::pipe().unwrap();
    let mut command = fleet.command(&["run", "a", "--", "sh", "-c", script]);
    let mut running = Running::start(command.stdin(received));
    let orphans = [running.line(), running.line()];
    let is_gone = |id: &String| !Path::new("/proc").join(id).exists();
    until("they are reaped", || orphans.iter().all(is_gone));
    drop(command);
    drop(sent);
    assert_eq!(running.ended().0, Some(4));
}

/// Its parent has left the group, and holds it where it would end, from where no signal gets it away:
/// like one that waits for a device.
#[cfg(target_os = "linux")]
#[test]
fn a_lock_is_not_given_up_while_a_process_of_the_command_is_there() {
    let fleet = Fleet::start();
    // PTRACE_SEIZE with PTRACE_O_TRACEEXIT.
    let script = "my $ptrace = `uname -m` =~ /x86_64/ ? 101 : 117; $| = 1; \
                  my $child = fork // die; if (!$child) { close STDOUT; sleep 100 while 1; } \
                  setpgrp(0, 0); print \"$$\\n\"; \
                  syscall($ptrace, 0x4206, $child, 0, 0x40) == 0 or die \"ptrace: $!\"; \
                  print \"held\\n\"; close STDOUT; close STDERR; sleep 100 while 1;";
    let words = ["run", "a", "--ttl", "5m", "--grace", "500ms", "--", "sh", "-c"];
    let mut command = fleet.command(&words);
    let (received, sent) = std::io::pipe().unwrap();
    command.args(["perl -e \"$SCRIPT\" 2>&1 & read end"]).env("SCRIPT", script).stdin(received);
    let mut running = Running::start(&mut command);
    let parent = Pid::from_raw(running.line().parse().unwrap()).unwrap();
    let held = running.line();
    if held.starts_with("ptrace: ") {
        return eprintln!("NOT TESTED, for nobody may trace anybody here: {held}");
    }
    assert_eq!(held, "held");
    drop(command);
    drop(sent);
    let (code, err) = running.ended();
    let holders = fleet.holders("a");
    rustix::process::kill_process(parent, Signal::KILL).unwrap();
    assert_eq!(code, Some(76), "{err}");
    assert!(err.contains("could not be killed"), "{err}");
    assert!(holders.iter().all(Option::is_some), "{holders:?} {err}");
}

/// Its parent has left the group and does not wait for it.
#[cfg(target_os = "linux")]
#[test]
fn who_has_ended_and_is_not_waited_for_does_not_keep_a_lock() {
    let fleet = Fleet::start();
    let script = "sh -c 'echo $$; sleep 0.1 & echo $!; exec setsid sleep 100 >/dev/null 2>&1' & \
                  read end";
    let words = ["run", "a", "--ttl", "5m", "--grace", "1m", "--", "sh", "-c", script];
    let (received, sent) = std::io::pipe().unwrap();
    let mut command = fleet.command(&words);
    let mut running = Running::start(command.stdin(received));
    let (parent, child) = (running.line(), running.line());
    let says = |id: &str| fs::read_to_string(Path::new("/proc").join(id).join("stat")).unwrap();
    until("the child has ended", || says(&child).contains(") Z "));
    until("its parent has left", || says(&parent).contains("(sleep) "));
    drop(command);
    drop(sent);
    let (code, err) = running.ended();
    let left = says(&child);
    rustix::process::kill_process(Pid::from_raw(parent.parse().unwrap()).unwrap(), Signal::KILL)
        .unwrap();
    assert!(left.contains(") Z "), "nobody has waited for it: {left}");
    assert_eq!((code, &*err), (Some(1), ""), "the end of its input");
    assert_eq!(fleet.holders("a"), vec![None; 3]);
}

#[test]
fn a_command_that_is_stopped_keeps_its_lock_and_can_be_ended() {
    let fleet = Fleet::start();
    // No shell that starts something: stopped at that moment, it would not show it.
    let script = "echo $$; exec sleep 100";
    let words = ["run", "a", "--ttl", "6s", "--", "sh", "-c", script];
    let mut running = Running::start(&mut fleet.command(&words));
    let command = running.line();
    let state = || {
        let stat = fs::read_to_string(Path::new("/proc").join(&command).join("stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    };
    running.signal(Signal::TSTP);
    until("it is stopped", || state() == 'T');
    std::thread::sleep(std::time::Duration::from_secs(8));
    assert!(fleet.holders("a").iter().all(Option::is_some), "renewed all the while");
    running.signal(Signal::CONT);
    until("it goes on", || state() != 'T');
    running.signal(Signal::TSTP);
    until("it is stopped", || state() == 'T');
    running.signal(Signal::TERM);
    assert_eq!(running.ended().0, Some(143));
}

#[test]
fn what_the_command_leaves_behind_is_ended_before_the_lock_is_given_up() {
    let fleet = Fleet::start();
    let script =
        "(trap '' TERM; for n in $(seq 100); do sleep 1; done) & sleep 100 & echo $$; exit 5";
    let words = ["run", "a", "--ttl", "6s", "--grace", "500ms", "--", "sh", "-c", script];
    let mut running = Running::start(&mut fleet.command(&words));
    let group = running.line();
    while is_there(&group) {
        let holders = fleet.holders("a");
        let held = holders.iter().flatten().count() > 1;
        // It may have ended, and the lock with it, in between.
        assert!(held || !is_there(&group), "{holders:?}");
    }
    let (code, err) = running.ended();
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains("left running"), "{err}");
    assert_eq!(fleet.holders("a"), vec![None; 3]);
}

#[test]
fn a_command_is_never_started_after_a_signal() {
    let fleet = Fleet::start();
    for (signal, code) in
        [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129), (Signal::USR1, 138)]
    {
        let token = fleet.lock("a", "60s");
        let started = fleet.servers[0].folder().join("started");
        let words = ["run", "a", "--wait", "1m", "--", "touch", started.to_str().unwrap()];
        let mut running = Running::start(&mut fleet.command(&words));
        subscribed(&fleet);
        // Such as concern no command that is not there yet do not end the waiting.
        running.signal(Signal::WINCH);
        running.signal(Signal::CONT);
        running.signal(signal);
        // The lock is free at the same time.
        assert_eq!(fleet.says(&["unlock", "a", &token]).code, Some(0));
        assert_eq!(running.ended().0, Some(code));
        assert!(!started.exists());
        assert_eq!(fleet.holders("a"), vec![None; 3]);
        until("its connections have ended", || no_channels(&fleet));
    }
    let said = fleet.says(&["run", "a", "--", "true"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn a_command_is_never_started_when_the_lock_comes_too_late() {
    let fleet = Fleet::start();
    let started = fleet.servers[0].folder().join("started");
    let words = ["run", "a", "--ttl", "2s", "--", "touch", started.to_str().unwrap()];
    fleet.stop();
    let mut running = Running::start(&mut fleet.command(&words));
    // Its first words are on their way by then, or it has not begun; either will do.
    std::thread::sleep(std::time::Duration::from_millis(100));
    running.signal(Signal::STOP);
    fleet.cont();
    std::thread::sleep(std::time::Duration::from_secs(3));
    running.signal(Signal::CONT);
    let (code, err) = running.ended();
    // It did not begin before it was stopped, and so has got the lock in time.
    let is_late_start = code == Some(0);
    assert_eq!(started.exists(), is_late_start, "{code:?} {err}");
    assert!(is_late_start || code == Some(69) || code == Some(76), "{code:?} {err}");
}

#[test]
fn waiting_goes_on_through_what_ends_no_program() {
    let fleet = Fleet::start();
    let token = fleet.lock("a", "60s");
    let mut running =
        Running::start(&mut fleet.command(&["run", "a", "--wait", "1m", "--", "true"]));
    subscribed(&fleet);
    running.signal(Signal::WINCH);
    assert_eq!(Said::of(fleet.command(&["unlock", "a", &token]).output().unwrap()).code, Some(0));
    assert_eq!(running.ended().0, Some(0));
}

fn no_channels(fleet: &Fleet) -> bool {
    let none = |server: &Server| {
        let channels: Vec<String> = server.cmd(&["PUBSUB", "CHANNELS"]).unwrap();
        channels.is_empty()
    };
    fleet.servers.iter().all(none)
}
