//! The harness itself: a server that lies about being dead would prove nothing.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

use std::{panic, path::PathBuf};

use redlock_testkit::server::{Options, Server, ServerError, Servers};

fn get(server: &Server) -> Option<String> {
    server.cmd(&["GET", "key"]).unwrap()
}

#[test]
fn servers_know_nothing_of_each_other() {
    let servers = Servers::start(2).unwrap();
    servers[0].cmd::<()>(&["SET", "key", "value"]).unwrap();
    assert_eq!(get(&servers[0]).as_deref(), Some("value"));
    assert_eq!(get(&servers[1]), None);
}

#[test]
fn a_killed_server_comes_back_empty_on_its_port() {
    let mut server = Server::start().unwrap();
    server.cmd::<()>(&["SET", "key", "value"]).unwrap();
    let (port, pid) = (server.port(), server.pid());
    server.kill();
    assert!(matches!(server.cmd::<()>(&["PING"]), Err(ServerError::Command { .. })));
    server.restart().unwrap();
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), pid);
    assert_eq!(get(&server), None);
}

#[test]
fn a_persistent_server_comes_back_with_its_data() {
    let mut server = Options::new().persistent().start().unwrap();
    server.cmd::<()>(&["SET", "key", "value"]).unwrap();
    server.kill();
    server.restart().unwrap();
    assert_eq!(get(&server).as_deref(), Some("value"));
}

#[test]
fn a_stopped_server_goes_on_where_it_was() {
    let server = Server::start().unwrap();
    server.cmd::<()>(&["SET", "key", "value"]).unwrap();
    server.stop();
    server.cont();
    assert_eq!(get(&server).as_deref(), Some("value"));
}

#[test]
fn a_server_with_a_password_answers_only_those_who_know_it() {
    let server = Options::new().password("open sesame").start().unwrap();
    assert_eq!(get(&server), None);
    assert!(server.url().contains("open sesame"));
}

#[test]
fn a_panic_ends_the_server_and_its_folder() {
    let mut seen: Option<(PathBuf, String)> = None;
    let result = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        let server = Server::start().unwrap();
        seen = Some((server.folder().to_owned(), format!("/proc/{}", server.pid())));
        server.stop();
        panic!("on purpose");
    }));
    assert!(result.is_err());
    let (folder, process) = seen.unwrap();
    assert!(!folder.exists());
    assert!(!PathBuf::from(process).exists());
}

#[test]
fn a_missing_program_is_one_clear_sentence() {
    let error = Options::new().binary("no-such-server").start().unwrap_err();
    assert_eq!(
        error.to_string(),
        "no program `no-such-server` to run tests on: install it (Debian: apt-get install \
         redis-server), or name another one in REDLOCKS_SERVER"
    );
}
