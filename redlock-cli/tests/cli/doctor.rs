//! `doctor`.

use redlock_testkit::server::{Options, Servers};

use crate::{
    fake::Fake,
    support::{Fleet, Said, redlock},
};

/// Three servers without anything to find.
fn healthy() -> Fleet {
    Fleet { servers: Servers::with(3, &Options::new().persistent()).unwrap() }
}

/// The names of what was found, each with the place of its node.
fn found(fleet: &Fleet, said: &Said) -> Vec<(String, Option<usize>)> {
    let place = |node: &str| {
        let port = |url: &String| url.contains(node.trim_end_matches("/0"));
        fleet.servers.urls().iter().position(port).unwrap()
    };
    let findings = said.json("findings");
    let findings = findings.as_array().unwrap().iter();
    findings
        .map(|finding| {
            let name = finding["name"].as_str().unwrap().to_owned();
            (name, finding["node"].as_str().map(place))
        })
        .collect()
}

fn names(fleet: &Fleet, words: &[&str]) -> (Option<i32>, Vec<(String, Option<usize>)>) {
    // These servers have only just started, and whether that is longer ago than the ttl is up to
    // chance.
    let mut always = vec!["doctor", "--json", "--accept", "restarted", "--ttl", "1m"];
    // On a busy machine nothing is to be found slow.
    always.extend(["--timeout", "5s"]);
    let words: Vec<_> = always.iter().chain(words).copied().collect();
    let said = fleet.says(&words);
    let (code, mut found) = (said.code, found(fleet, &said));
    found.retain(|(name, _)| name != "restarted");
    (code, found)
}

#[test]
fn servers_that_keep_their_locks_are_healthy() {
    let fleet = healthy();
    assert_eq!(names(&fleet, &[]), (Some(0), vec![]));
    let said = fleet.says(&["doctor"]);
    assert_eq!((said.code, &*said.err), (Some(0), ""), "{said:?}");
    assert!(said.out.contains("3 nodes, 2 needed, 3 can be used"), "{said:?}");
    assert!(!said.out.contains('\u{1b}'), "colours only for a terminal: {said:?}");
    for server in fleet.servers.iter() {
        let keys: Vec<String> = server.cmd(&["KEYS", "redlock-doctor*"]).unwrap();
        assert_eq!(keys, [""; 0], "nothing is left of what was tried");
    }
}

#[test]
fn servers_that_forget_are_a_risk_that_can_be_accepted() {
    let fleet = Fleet::start();
    let risk = |place| ("no-persistence".to_owned(), Some(place));
    assert_eq!(names(&fleet, &[]), (Some(1), vec![risk(0), risk(1), risk(2)]));
    let (code, accepted) = names(&fleet, &["--accept", "no-persistence"]);
    assert_eq!((code, accepted.len()), (Some(0), 3));
    let text = fleet.says(&["doctor"]).out;
    let forced = fleet.command(&["doctor"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(Said::of(forced).out.contains('\u{1b}'), "colours where they are wanted");
    assert!(text.contains("risk [no-persistence]: it does not write each lock to disk"), "{text}");
    let said = fleet.says(&["doctor", "--json", "--ttl", "100h", "--accept", "no-persistence"]);
    assert_eq!(said.code, Some(1));
    assert!(found(&fleet, &said).contains(&("restarted".to_owned(), Some(0))), "{said:?}");
    let unknown = fleet.says(&["doctor", "--accept", "replica"]);
    assert_eq!(unknown.code, Some(2), "a problem cannot be accepted: {unknown:?}");
}

#[test]
fn what_is_wrong_with_a_server_is_found() {
    let mut fleet = healthy();
    let set = |place: usize, name: &str, value: &str| {
        fleet.servers[place].cmd::<()>(&["CONFIG", "SET", name, value]).unwrap();
    };
    set(0, "appendfsync", "everysec");
    set(1, "maxmemory", "1gb");
    set(1, "maxmemory-policy", "volatile-lru");
    let expected = vec![("appendfsync".to_owned(), Some(0)), ("eviction".to_owned(), Some(1))];
    assert_eq!(names(&fleet, &[]), (Some(1), expected));
    set(0, "appendfsync", "always");
    set(1, "maxmemory", "0");
    fleet.servers[2].make_read_only().unwrap();
    assert_eq!(names(&fleet, &[]), (Some(1), vec![("replica".to_owned(), Some(2))]));
    fleet.servers[1].kill();
    let (code, found) = names(&fleet, &[]);
    assert_eq!(code, Some(3), "one is left of three: {found:?}");
    assert_eq!(found[0], ("unreachable".to_owned(), Some(1)));
}

#[test]
fn a_server_that_hangs_is_not_waited_for() {
    let fleet = healthy();
    fleet.servers[1].stop();
    let (code, found) = names(&fleet, &[]);
    fleet.servers[1].cont();
    assert_eq!((code, found), (Some(1), vec![("unreachable".to_owned(), Some(1))]));
}

#[test]
fn one_server_behind_two_addresses_is_found() {
    let fleet = healthy();
    let port = fleet.servers[0].port();
    let urls = [
        fleet.servers[0].url(),
        format!("redis://localhost:{port}"),
        fleet.servers[1].url(),
        fleet.servers[2].url(),
    ];
    let output = redlock(&["doctor", "--json", "--timeout", "5s"])
        .env("REDLOCK_NODES", urls.join(","))
        .output()
        .unwrap();
    let said = Said::of(output);
    assert_eq!(said.code, Some(1), "{said:?}");
    let findings = said.json("findings");
    assert_eq!(findings[0]["name"], "same-server", "{findings}");
    assert_eq!(findings[0]["node"], format!("localhost:{port}/0"));
    assert_eq!(findings[1]["name"], "even-number");
}

#[test]
fn what_a_user_may_not_do_is_found() {
    let options = Options::new().persistent().user(
        "job",
        "hidden",
        ["~job:*", "+set", "+get", "+del", "+pttl", "+pexpire", "+eval", "+evalsha"],
    );
    let fleet = Fleet { servers: Servers::with(3, &options).unwrap() };
    let urls: Vec<_> = fleet.servers.iter().map(|server| server.url_of("job").unwrap()).collect();
    let said = |words: &[&str]| {
        Said::of(redlock(words).env("REDLOCK_NODES", urls.join(" ")).output().unwrap())
    };
    let refused = said(&["doctor", "--json", "--timeout", "5s"]);
    assert_eq!(refused.code, Some(3), "its names begin otherwise: {refused:?}");
    assert!(found(&fleet, &refused).contains(&("refuses".to_owned(), Some(0))), "{refused:?}");
    let allowed = said(&["doctor", "--json", "--timeout", "5s", "--prefix", "job:"]);
    assert_eq!(allowed.code, Some(1), "{allowed:?}");
    let names = found(&fleet, &allowed);
    for name in ["untold", "no-notifications", "no-fencing"] {
        assert!(names.contains(&(name.to_owned(), Some(0))), "{name}: {names:?}");
    }
    assert!(!format!("{refused:?}{allowed:?}").contains("hidden"));
    let wrong = urls[0].replace("hidden", "mistaken");
    let wrong = redlock(&["doctor"]).env("REDLOCK_NODES", wrong).output().unwrap();
    let wrong = Said::of(wrong);
    assert_eq!(wrong.code, Some(3), "{wrong:?}");
    assert!(!format!("{wrong:?}").contains("mistaken"), "{wrong:?}");
}

#[test]
fn what_servers_say_does_nothing_to_a_terminal() {
    let fake =
        Fake::start(|_, _| Some(format!("-ERR \u{1b}[2J\u{9b}2J\u{7}{}\r\n", "x".repeat(90_000))));
    for words in [
        &["lock", "a", "10s"][..],
        &["unlock", "a", "t"],
        &["extend", "a", "t", "10s"],
        &["status", "a"],
        &["list"],
        &["reset", "a"],
        &["doctor"],
    ] {
        let asked = |words: &[&str]| {
            let output = redlock(words).env("REDLOCK_NODES", fake.url()).output().unwrap();
            Said::of(output)
        };
        let said = asked(words);
        assert_eq!(said.code, Some(3), "{words:?}");
        for text in [&said.out, &said.err] {
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{words:?} {text:?}");
            assert!(text.len() < 4000, "{words:?}: {} bytes", text.len());
        }
        assert!(format!("{}{}", said.out, said.err).contains("\\u{1b}[2J"), "{words:?} {said:?}");
        let json = asked(&[words, &["--json"]].concat());
        assert_eq!(json.json("exit_code"), 3, "{words:?}");
    }
}

#[test]
fn a_server_that_once_does_not_answer_in_time_is_asked_for_nothing_more() {
    let silent =
        Fake::start(|command, _| (!command.starts_with("INFO")).then(|| "-ERR no\r\n".to_owned()));
    // It answers what every node asks first, and the same again it does not.
    let failing = Fake::start(|command, before| match command {
        "INFO SERVER" if before > 0 => None,
        _ => Some("-ERR no\r\n".to_owned()),
    });
    for (fake, asked) in [(silent, 1), (failing, 2)] {
        let output = redlock(&["doctor", "--json", "--timeout", "200ms"])
            .env("REDLOCK_NODES", fake.url())
            .output()
            .unwrap();
        let said = Said::of(output);
        assert_eq!(said.code, Some(3), "{said:?}");
        assert_eq!(said.json("findings")[0]["name"], "unreachable", "{said:?}");
        assert_eq!(fake.heard("INFO SERVER").len(), asked, "{:?}", fake.heard(""));
        assert!(fake.heard("PING").is_empty(), "{:?}", fake.heard(""));
    }
}

#[test]
fn a_lock_that_is_tried_is_given_up_even_if_it_is_not_known_to_be_had() {
    let fake = Fake::start(|command, _| match command {
        trial if trial.contains("REDLOCK-DOCTOR:") => None,
        info if info.starts_with("INFO") => {
            let info = "redis_version:7.0.0\r\nrole:master\r\nmaxmemory:0\r\n";
            Some(format!("${}\r\n{info}\r\n", info.len()))
        }
        _ => Some("-ERR no\r\n".to_owned()),
    });
    let said = redlock(&["doctor", "--json", "--timeout", "200ms"])
        .env("REDLOCK_NODES", fake.url())
        .output()
        .unwrap();
    let said = Said::of(said);
    let findings = said.json("findings");
    let refuses = |finding: &serde_json::Value| finding["name"] == "refuses";
    assert!(findings.as_array().unwrap().iter().any(refuses), "{said:?}");
    let tried = fake.heard("REDLOCK-DOCTOR:");
    assert_eq!(tried.len(), 2, "{tried:?}");
    assert!(tried[0].starts_with("SET ") && tried[0].contains(" PX "), "{tried:?}");
    let release: Vec<_> = tried[1].split(' ').collect();
    assert_eq!((release[0], release.len()), ("EVALSHA", 5), "script, key and token: {release:?}");
}

#[test]
fn what_no_lock_could_have_is_a_matter_of_usage() {
    let fleet = Fleet::start();
    for (words, hint) in [
        (&["--ttl", "0s"][..], "below a millisecond"),
        (&["--ttl", "1000years"], "above"),
        (&["--timeout", "0s"], "timeout"),
        (&["--timeout", "1000years"], "timeout"),
        (&["--ttl", "1s", "--timeout", "1s"], "timeout"),
    ] {
        let said = fleet.says(&[&["doctor"], words].concat());
        assert_eq!((said.code, &*said.out), (Some(2), ""), "{words:?} {said:?}");
        assert!(said.err.contains(hint), "{words:?} {said:?}");
    }
}
