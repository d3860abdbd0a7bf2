//! `status`, `list` and `reset`.

use crate::support::{Fleet, Running};

#[test]
fn a_lock_is_held_by_somebody_or_free_or_nobody_can_tell() {
    let mut fleet = Fleet::start();
    let free = fleet.says(&["status", "a"]);
    assert_eq!(free.code, Some(1), "{free:?}");
    assert!(free.out.contains("is free"), "{free:?}");
    let token = fleet.says(&["lock", "a", "60s", "--owner", "me@here"]).out;
    let held = fleet.says(&["status", "a"]);
    assert_eq!(held.code, Some(0), "{held:?}");
    assert!(held.out.contains("is held by me@here for"), "{held:?}");
    assert!(!held.out.contains(token.trim()), "{held:?}");
    fleet.servers[0].kill();
    let held = fleet.says(&["status", "a", "--json"]);
    assert_eq!((held.json("outcome"), held.json("owner")), ("held".into(), "me@here".into()));
    assert!((1..60_000).contains(&held.json("remaining_ms").as_u64().unwrap()), "{held:?}");
    assert_eq!(held.json("nodes")[0]["said"], "failed");
    fleet.servers[1].kill();
    let unknown = fleet.says(&["status", "a"]);
    assert_eq!((unknown.code, &*unknown.out), (Some(3), ""), "{unknown:?}");
}

#[test]
fn what_is_held_is_listed_once() {
    let mut fleet = Fleet::start();
    assert_eq!(fleet.says(&["list"]).out, "");
    fleet.lock("job:1", "60s");
    fleet.says(&["lock", "job:2", "60s", "--owner", "me"]);
    fleet.lock("other", "60s");
    fleet.servers[2].cmd::<()>(&["SET", "job:3", "a vote", "PX", "60000"]).unwrap();
    fleet.servers[2].cmd::<()>(&["SET", "job:4", "no lock"]).unwrap();
    let listed = fleet.says(&["list", "job:"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    let lines: Vec<Vec<_>> = listed.out.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), 2, "{listed:?}");
    assert_eq!((lines[0][0], lines[0][1], lines[0][3]), ("job:1", "-", "3/3 nodes"));
    assert_eq!((lines[1][0], lines[1][1]), ("job:2", "me"));
    let all = fleet.says(&["list", "--all", "--json"]);
    let names: Vec<_> =
        all.json("locks").as_array().unwrap().iter().map(|lock| lock["resource"].clone()).collect();
    assert_eq!(names, ["job:1", "job:2", "job:3", "other"]);
    fleet.servers[0].kill();
    let listed = fleet.says(&["list", "job:1"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.out.contains("2/3 nodes") && listed.err.contains("refused"), "{listed:?}");
    fleet.servers[1].kill();
    assert_eq!(fleet.says(&["list"]).code, Some(3));
}

#[test]
fn a_lock_is_taken_away_and_who_waits_gets_it() {
    let mut fleet = Fleet::start();
    assert_eq!(fleet.says(&["reset", "a"]).code, Some(1), "nobody had it");
    fleet.says(&["lock", "a", "60s", "--owner", "gone"]);
    let mut waits = Running::start(&mut fleet.command(&["lock", "a", "60s", "--wait", "1m"]));
    crate::locks::subscribed(&fleet);
    let reset = fleet.says(&["reset", "a"]);
    assert_eq!(reset.code, Some(0), "{reset:?}");
    assert!(reset.out.contains("on 3 of 3 nodes") && reset.out.contains("of gone"), "{reset:?}");
    assert_eq!(waits.line().len(), 40);
    fleet.servers[0].kill();
    let reset = fleet.says(&["reset", "a", "--json"]);
    assert_eq!((reset.code, reset.json("outcome")), (Some(0), "reset".into()));
    fleet.servers[1].kill();
    assert_eq!(fleet.says(&["reset", "a"]).code, Some(3));
}

#[cfg(unix)]
#[test]
fn a_lock_that_is_reset_ends_its_command() {
    let fleet = Fleet::start();
    let words = ["run", "a", "--ttl", "3s", "--wait", "30s", "--", "sh", "-c", "echo; sleep 100"];
    let mut running = Running::start(&mut fleet.command(&words));
    running.line();
    let status = fleet.says(&["status", "a", "--json"]);
    let owner = status.json("owner").as_str().unwrap().to_owned();
    assert!(owner.contains('/'), "host and process: {owner}");
    assert_eq!(fleet.says(&["reset", "a"]).code, Some(0));
    assert_eq!(running.ended().0, Some(76));
}

#[test]
fn names_on_nodes_have_the_prefix_that_they_are_to_have() {
    let fleet = Fleet::start();
    let locked = fleet.says(&["lock", "a", "60s", "--key-prefix", "app:"]);
    let token = locked.out.trim();
    assert_eq!(fleet.holders("app:a"), vec![Some(token.to_owned()); 3]);
    let listed = fleet.command(&["list"]).env("REDLOCK_KEY_PREFIX", "app:").output().unwrap();
    let listed = crate::support::Said::of(listed);
    assert!(listed.out.starts_with("a\t"), "{listed:?}");
    assert_eq!(fleet.says(&["unlock", "a", token]).code, Some(1));
    assert_eq!(fleet.says(&["--key-prefix", "app:", "unlock", "a", token]).code, Some(0));
}
