//! What the README and the help say to type, typed.

use std::{env, path::Path, process::Command};

use redlock_testkit::server::{Options, Servers};

use crate::support::{Fleet, Said, redlock};

/// Something to type, and what is then said.
#[derive(Debug)]
struct Step {
    typed: String,
    said: Vec<String>,
}

#[test]
fn the_readme_is_true() {
    let blocks = blocks(include_str!("../../README.md"));
    assert!(blocks.len() > 6, "{blocks:?}");
    for steps in blocks {
        play(&steps, true);
    }
}

#[test]
fn the_examples_of_the_help_work() {
    let commands = ["lock", "unlock", "extend", "run", "status", "list", "reset", "doctor"];
    for command in commands {
        let help = Said::of(redlock(&[command, "--help"]).output().unwrap()).out;
        let typed = help.lines().filter_map(|line| line.strip_prefix("  $ "));
        let steps: Vec<_> =
            typed.map(|typed| Step { typed: typed.to_owned(), said: Vec::new() }).collect();
        assert!(!steps.is_empty(), "{command} has no examples");
        assert!(help.contains("Exit codes: "), "{command} does not tell its exit codes");
        play(&steps, false);
    }
}

#[test]
fn every_command_has_its_help_tested() {
    let help = Said::of(redlock(&["--help"]).output().unwrap()).out;
    let listed = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    // What goes on from the line before begins further to the right.
    let begun = listed.lines().filter_map(|line| line.strip_prefix("  "));
    let names: Vec<_> = begun
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let tested = ["lock", "unlock", "extend", "run", "status", "list", "reset", "doctor", "help"];
    assert_eq!(names, tested);
}

/// Types all this into one shell, over servers of its own, and compares what is said.
fn play(steps: &[Step], compared: bool) {
    let fleet = Fleet { servers: Servers::with(3, &Options::new().persistent()).unwrap() };
    let urls = fleet.servers.urls().join(" ");
    let mut script = String::new();
    for step in steps {
        let typed = step.typed.replace("redis://a:6379 redis://b:6379 redis://c:6379", &urls);
        // Each step sees the exit code of the one before.
        script += &format!("(exit $code)\n{typed}\ncode=$?\necho '{MARK}'$code\n");
    }
    let here = Path::new(env!("CARGO_BIN_EXE_redlock")).parent().unwrap();
    let path = format!("{}:{}", here.display(), env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec 2>&1; code=0\n{script}")]).env("PATH", path);
    let output = shell.env("REDLOCK_NODES", &urls).env_remove("REDLOCK_OWNER").output().unwrap();
    let said = Said::of(output).out;
    let mut rest = &*said;
    for step in steps {
        let (told, after) = rest.split_once(MARK).unwrap_or_else(|| panic!("{step:?}: {said}"));
        let (code, after) = after.split_once('\n').unwrap();
        rest = after;
        if compared {
            let expected = step.said.join("\n");
            assert!(is_like(told.trim_end(), &expected), "{step:?} says {told}");
        } else {
            assert_eq!(code, "0", "{step:?} says {told}");
        }
    }
}

/// The commands of each block of a shell session.
fn blocks(text: &str) -> Vec<Vec<Step>> {
    let blocks = text.split("```console\n").skip(1);
    let block = |block: &str| {
        let mut steps: Vec<Step> = Vec::new();
        for line in block.split("```").next().unwrap().lines() {
            match line.strip_prefix("$ ") {
                Some(typed) => steps.push(Step { typed: typed.to_owned(), said: Vec::new() }),
                None => steps.last_mut().unwrap().said.push(line.to_owned()),
            }
        }
        steps
    };
    blocks.map(block).collect()
}

/// Whether a text is this, where an ellipsis stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
    }
    true
}

#[test]
fn an_ellipsis_stands_for_anything() {
    for (text, pattern, expected) in [
        ("abc", "abc", true),
        ("abc", "ab", false),
        ("abc", "a…", true),
        ("abc", "a…c", true),
        ("abc", "…b…", true),
        ("abc", "a…d", false),
        ("abc", "b…", false),
        ("", "", true),
        ("a", "", false),
    ] {
        assert_eq!(is_like(text, pattern), expected, "{text} {pattern}");
    }
}

const MARK: &str = "--- said, and ended with ";
