//! What the READMEs, the pages and the help say to type, typed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    session::{Step, commands, play, sessions},
    support::{Said, redlock},
};

/// Every text of this repository that may tell what to type.
fn texts() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders = vec![root.to_owned(), root.join("docs")];
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    folders.extend(entries.filter(|path| path.join("Cargo.toml").exists()));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let files = files.map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    files.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn what_is_shown_to_be_typed_says_what_is_shown() {
    let mut found = Vec::new();
    for (path, text) in texts() {
        for steps in sessions(&text) {
            play(&steps, true);
            found.push(path.clone());
        }
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    assert!(found.iter().filter(|path| **path == here).count() > 6, "{found:?}");
}

#[test]
fn what_is_given_to_be_typed_works() {
    let mut found = Vec::new();
    for (path, text) in texts() {
        for steps in commands(&text) {
            play(&steps, false);
            found.push(path.clone());
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    assert!(found.contains(&root.join("README.md")), "{found:?}");
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
