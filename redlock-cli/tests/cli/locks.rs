//! `lock`, `unlock` and `extend`.

use std::{
    fs,
    io::Write,
    process::Stdio,
    time::{Duration, Instant},
};

use redlock_testkit::server::{Options, Server, Servers};

use crate::support::{Fleet, Running, Said, redlock, until};

#[test]
fn a_token_alone_is_printed_and_it_alone_unlocks() {
    let fleet = Fleet::start();
    let token = fleet.lock("a", "10s");
    assert_eq!(token.len(), 40, "{token}");
    assert_eq!(fleet.holders("a"), vec![Some(token.clone()); 3]);
    let another = fleet.says(&["unlock", "a", "wrong"]);
    assert_eq!(another.code, Some(1), "{another:?}");
    assert_eq!(fleet.holders("a"), vec![Some(token.clone()); 3]);
    let done = fleet.says(&["unlock", "a", &token]);
    assert_eq!((done.code, &*done.out, &*done.err), (Some(0), "", ""));
    assert_eq!(fleet.holders("a"), vec![None; 3]);
    let again = fleet.says(&["unlock", "a", &token]);
    assert_eq!(again.code, Some(1), "what is not held is not given up: {again:?}");
    assert!(again.err.contains("was not held"), "{again:?}");
    assert!(!again.err.contains(&token), "{again:?}");
}

#[test]
fn who_comes_second_does_not_get_the_lock_unless_he_waits() {
    let fleet = Fleet::start();
    let token = fleet.lock("a", "60s");
    let refused = fleet.says(&["lock", "a", "10s"]);
    assert_eq!((refused.code, &*refused.out), (Some(1), ""), "{refused:?}");
    assert!(!refused.err.contains(&token), "{refused:?}");
    let waited = fleet.says(&["lock", "a", "10s", "--wait", "200ms"]);
    assert_eq!((waited.code, &*waited.out), (Some(1), ""), "{waited:?}");
    let mut waits = Running::start(&mut fleet.command(&["lock", "a", "10s", "--wait", "1m"]));
    assert_eq!(fleet.says(&["unlock", "a", &token]).code, Some(0));
    assert_eq!(waits.line().len(), 40);
    assert_eq!(waits.ended().0, Some(0));
}

#[test]
fn an_extended_lock_lasts_longer_and_never_shorter() {
    let fleet = Fleet::start();
    let token = fleet.lock("a", "10s");
    assert_eq!(fleet.says(&["extend", "a", &token, "10m"]).code, Some(0));
    let most = Duration::from_secs(600);
    assert!(fleet.kept("a").iter().all(|kept| *kept > most / 2 && *kept <= most));
    assert_eq!(fleet.says(&["extend", "a", &token, "10s"]).code, Some(0));
    assert!(fleet.kept("a").iter().all(|kept| *kept > most / 2));
    let wrong = fleet.says(&["extend", "a", "wrong", "10m"]);
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    let free = fleet.says(&["extend", "b", &token, "10m"]);
    assert_eq!(free.code, Some(1), "{free:?}");
    assert_eq!(fleet.holders("b"), vec![None; 3], "extending never takes");
}

#[test]
fn a_token_can_come_from_where_others_do_not_see_it() {
    let fleet = Fleet::start();
    let token = fleet.lock("a", "60s");
    let extended =
        fleet.command(&["extend", "a", "env:HIDDEN", "1m"]).env("HIDDEN", &token).output();
    assert_eq!(Said::of(extended.unwrap()).code, Some(0));
    let mut unlock = fleet
        .command(&["unlock", "a", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(unlock.stdin.take().unwrap(), "{token}").unwrap();
    assert_eq!(unlock.wait().unwrap().code(), Some(0));
    assert_eq!(fleet.holders("a"), vec![None; 3]);
}

#[test]
fn scripts_get_one_json_object() {
    let fleet = Fleet::start();
    let taken = fleet.says(&["lock", "a", "10s", "--fencing", "--json"]);
    assert_eq!(taken.json("outcome"), "acquired");
    assert_eq!(taken.json("resource"), "a");
    assert_eq!(taken.json("ttl_ms"), 10_000);
    assert!(taken.json("validity_ms").as_u64().unwrap() < 10_000);
    assert!(taken.json("fencing_token").as_u64().unwrap() > 0);
    let token = taken.json("token").as_str().unwrap().to_owned();
    let refused = fleet.says(&["--json", "lock", "a", "10s"]);
    assert_eq!((refused.code, &*refused.err), (Some(1), ""));
    assert_eq!(refused.json("outcome"), "not_acquired");
    assert_eq!(refused.json("exit_code"), 1);
    assert_eq!(refused.json("nodes").as_array().unwrap().len(), 3);
    assert_eq!(fleet.says(&["extend", "a", &token, "20s", "--json"]).json("outcome"), "extended");
    assert_eq!(fleet.says(&["unlock", "a", &token, "--json"]).json("outcome"), "released");
    let free = fleet.says(&["unlock", "a", &token, "--json"]);
    assert_eq!((free.code, free.json("outcome")), (Some(1), "not_held".into()));
}

#[test]
fn too_few_nodes_are_another_matter_than_a_lock_that_is_held() {
    let mut fleet = Fleet::start();
    fleet.servers[0].kill();
    let token = fleet.lock("a", "60s");
    fleet.servers[1].kill();
    for words in [
        &["lock", "a", "10s"][..],
        &["lock", "a", "10s", "--wait", "300ms"],
        &["extend", "a", &token, "10s"],
        &["unlock", "a", &token],
    ] {
        let said = fleet.says(words);
        assert_eq!((said.code, &*said.out), (Some(3), ""), "{words:?} {said:?}");
        assert!(said.err.contains("Connection refused"), "{said:?}");
    }
}

#[test]
fn nodes_that_hang_are_not_waited_for_longer_than_is_said() {
    let fleet = Fleet::start();
    fleet.stop();
    let start = Instant::now();
    let said = fleet.says(&["lock", "a", "10s", "--timeout", "100ms"]);
    fleet.cont();
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn what_cannot_be_said_is_a_matter_of_usage() {
    let fleet = Fleet::start();
    for (words, hint) in [
        (&["lock", "a", "10"][..], "10s for seconds, 10ms for milliseconds"),
        (&["lock", "a", "soon"], "looks like 500ms"),
        (&["lock", "a", "0s"], "below a millisecond"),
        (&["lock", "", "10s"], "empty name"),
        (&["lock", "a"], "<TTL>"),
        (&["lock", "a", "100ms", "--timeout", "100ms"], "node timeout"),
        (&["unlock", "a", ""], "the token is empty"),
        (&["unlock", "a", "env:REDLOCK_NO_SUCH_THING"], "REDLOCK_NO_SUCH_THING"),
        (&["unlock", "a", "-"], "the token is empty"),
        (&["extend", "a", "t", "1"], "1s for seconds"),
        (&["frobnicate"], "frobnicate"),
        (&["lock", "a", "10s", "--node", "redis://:hush/hush@h"], "url"),
        (&["lock", "a", "10s", "--node", "redis://h", "--node", "redis://h"], "given twice"),
    ] {
        let said = fleet.says(words);
        assert_eq!((said.code, &*said.out), (Some(2), ""), "{words:?} {said:?}");
        assert!(said.err.contains(hint), "{words:?} {said:?}");
        assert!(!said.err.contains("hush"), "a password: {said:?}");
    }
    let none = Said::of(redlock(&["lock", "a", "10s"]).output().unwrap());
    assert_eq!(none.code, Some(2), "{none:?}");
    assert!(none.err.contains("REDLOCK_NODES"), "{none:?}");
}

#[cfg(unix)]
#[test]
fn nodes_that_are_no_text_are_not_taken_for_none() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let nodes = OsStr::from_bytes(b"redis://:p\xff@h");
    let said = redlock(&["lock", "a", "10s"]).env("REDLOCK_NODES", nodes).output().unwrap();
    let said = Said::of(said);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("REDLOCK_NODES is not UTF-8"), "{said:?}");
}

#[test]
fn a_password_is_never_shown() {
    let fleet = Fleet::start();
    let url = format!("redis://:hidden@127.0.0.1:{}", fleet.servers[0].port());
    for words in [&["lock", "a", "10s"][..], &["lock", "a", "10s", "--json"], &["lock", "--help"]] {
        let said = Said::of(redlock(words).env("REDLOCK_NODES", &url).output().unwrap());
        let shown = format!("{said:?}");
        assert!(!shown.contains("hidden"), "{shown}");
    }
}

#[test]
fn servers_are_reached_over_tls() {
    let fleet = Fleet { servers: Servers::with(3, &Options::new().tls().persistent()).unwrap() };
    let distrusted = fleet.says(&["lock", "a", "60s"]);
    assert_eq!(distrusted.code, Some(3), "{distrusted:?}");
    let certificate = |server: &Server| fs::read_to_string(server.certificate().unwrap()).unwrap();
    let trusted = fleet.servers[0].folder().join("trusted.pem");
    fs::write(&trusted, fleet.servers.iter().map(certificate).collect::<String>()).unwrap();
    for words in [&["lock", "a", "60s"][..], &["doctor", "--ttl", "1m", "--accept", "restarted"]] {
        let words: Vec<_> = words.iter().chain(&["--timeout", "10s"]).copied().collect();
        let said = fleet.command(&words).env("SSL_CERT_FILE", &trusted).output().unwrap();
        let said = Said::of(said);
        assert_eq!(said.code, Some(0), "{said:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_lock_whose_token_nobody_gets_is_given_up() {
    let fleet = Fleet::start();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let said = Said::of(fleet.command(&["lock", "a", "60s"]).stdout(full).output().unwrap());
    assert_eq!(said.code, Some(70), "{said:?}");
    assert!(said.err.contains("gave the lock up"), "{said:?}");
    assert_eq!(fleet.holders("a"), vec![None; 3]);
}

#[cfg(unix)]
#[test]
fn who_is_interrupted_while_waiting_leaves_nothing_behind() {
    let fleet = Fleet::start();
    let token = fleet.lock("a", "60s");
    let waits = &mut Running::start(&mut fleet.command(&["lock", "a", "60s", "--wait", "1m"]));
    subscribed(&fleet);
    waits.signal(rustix::process::Signal::INT);
    assert_eq!(waits.ended().0, Some(130));
    assert_eq!(fleet.holders("a"), vec![Some(token); 3]);
}

#[cfg(unix)]
#[test]
fn who_is_interrupted_while_a_slow_node_is_waited_for_leaves_nothing_behind() {
    let fleet = Fleet::start();
    fleet.servers[2].stop();
    let mut waits = Running::start(&mut fleet.command(&["lock", "a", "10m", "--timeout", "40s"]));
    let has_it = |server: &Server| server.cmd::<Option<String>>(&["GET", "a"]).unwrap().is_some();
    until("two nodes have it", || fleet.servers.iter().take(2).all(has_it));
    waits.signal(rustix::process::Signal::INT);
    until("they have it no more", || !fleet.servers.iter().take(2).any(has_it));
    fleet.servers[2].cont();
    let (code, err) = waits.ended();
    assert_eq!(code, Some(130), "{err}");
    assert_eq!(fleet.holders("a"), vec![None; 3]);
}

/// Waits until somebody waits for a lock on each server.
pub(crate) fn subscribed(fleet: &Fleet) {
    until("somebody waits", || {
        let subscribed = |server: &Server| {
            let channels: Vec<String> = server.cmd(&["PUBSUB", "CHANNELS"]).unwrap();
            !channels.is_empty()
        };
        fleet.servers.iter().all(subscribed)
    });
}
