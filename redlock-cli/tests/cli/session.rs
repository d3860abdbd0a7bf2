//! A shell over servers of its own, into which is typed what a text says, and what is said then.

use std::{env, fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use redlock_testkit::server::{Options, Servers};

use crate::support::{Fleet, Said};

/// Something to type, and what is then said.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) typed: String,
    pub(crate) said: Vec<String>,
}

/// Types all this into one shell, over servers of its own, and compares what is said.
pub(crate) fn play(steps: &[Step], compared: bool) {
    let fleet = Fleet { servers: Servers::with(3, &Options::new().persistent()).unwrap() };
    let urls = fleet.servers.urls().join(" ");
    let mut script = String::new();
    for step in steps {
        let typed = match step.typed.split_once("REDLOCK_NODES=") {
            Some((before, _)) => format!("{before}REDLOCK_NODES='{urls}'"),
            None => step.typed.replace("redis://a:6379 redis://b:6379 redis://c:6379", &urls),
        };
        // Each step sees the exit code of the one before.
        script += &format!("(exit $code)\n{typed}\ncode=$?\necho '{MARK}'$code\n");
    }
    // What belongs to whoever types it.
    let folder = fleet.servers[0].folder();
    let report = folder.join("report.sh");
    fs::write(&report, "#!/bin/sh\necho \"the report\"\n").unwrap();
    fs::set_permissions(&report, fs::Permissions::from_mode(0o755)).unwrap();
    let here = Path::new(env!("CARGO_BIN_EXE_redlock")).parent().unwrap();
    let path = format!("{}:{}", here.display(), env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec 2>&1; code=0\n{script}")]).env("PATH", path);
    shell.current_dir(folder);
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

/// The commands of each block that shows a session with this program, and what they say.
pub(crate) fn sessions(text: &str) -> Vec<Vec<Step>> {
    let blocks = text.split("```console\n").skip(1);
    let block = |block: &str| {
        let mut steps: Vec<Step> = Vec::new();
        for line in block.split("```").next().unwrap().lines() {
            match line.strip_prefix("$ ") {
                Some(typed) => steps.push(Step { typed: typed.to_owned(), said: Vec::new() }),
                None => steps
                    .iter_mut()
                    .last()
                    .into_iter()
                    .for_each(|step| step.said.push(line.to_owned())),
            }
        }
        steps
    };
    blocks.map(block).filter(|steps| steps.iter().any(|step| is_ours(&step.typed))).collect()
}

/// The commands of each block that gives what to type into a shell, this program among it; but for
/// its installation, which has been done.
pub(crate) fn commands(text: &str) -> Vec<Vec<Step>> {
    let blocks = text.split("```sh\n").skip(1);
    let block = |block: &str| {
        let lines = block.split("```").next().unwrap().lines();
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("cargo install"));
        lines.map(|line| Step { typed: line.to_owned(), said: Vec::new() }).collect()
    };
    let blocks = blocks.map(block);
    blocks.filter(|steps: &Vec<Step>| steps.iter().any(|step| is_ours(&step.typed))).collect()
}

fn is_ours(typed: &str) -> bool {
    typed.split(' ').any(|word| word == "redlock")
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

#[test]
fn what_is_not_about_this_program_is_left_alone() {
    let text = "```sh\nscripts/test\n```\n```sh\ncargo install redlock-cli\nredlock doctor\n```\n";
    let typed: Vec<_> = commands(text).into_iter().flatten().map(|step| step.typed).collect();
    assert_eq!(typed, ["redlock doctor"]);
    assert!(sessions("```console\n$ ls\nfile\n```\n").is_empty());
}

const MARK: &str = "--- said, and ended with ";
