//! The harness itself: a server that lies about being dead would prove nothing.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    panic,
    path::PathBuf,
};

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
    assert!(server.url().contains("open%20sesame"));
    assert!(!format!("{server:?}").contains("sesame"));
}

#[test]
fn a_panic_ends_the_server_and_its_folder() {
    let mut seen: Option<(PathBuf, String, String)> = None;
    let result = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        let server = Server::start().unwrap();
        let other = Options::new().tls().start().unwrap();
        let processes = [&server, &other].map(|server| format!("/proc/{}", server.pid()));
        let [process, of_tls] = processes;
        seen = Some((server.folder().to_owned(), process, of_tls));
        server.stop();
        panic!("on purpose");
    }));
    assert!(result.is_err());
    let (folder, process, of_tls) = seen.unwrap();
    assert!(!folder.exists());
    assert!(!PathBuf::from(process).exists() && !PathBuf::from(of_tls).exists());
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

#[test]
fn a_server_with_tls_speaks_nothing_else_on_its_port_and_obeys_the_harness() {
    let mut server = Options::new().tls().password("p").persistent().start().unwrap();
    assert!(server.url().starts_with("rediss://:p@127.0.0.1:"), "{}", server.url());
    let certificate = fs::read_to_string(server.certificate().unwrap()).unwrap();
    assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----"));
    server.cmd::<()>(&["SET", "key", "value"]).unwrap();
    server.restart().unwrap();
    assert_eq!(get(&server).as_deref(), Some("value"));

    let mut plain = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    plain.write_all(b"PING\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"+PONG") && !answer.starts_with(b"-NOAUTH"), "{answer:?}");
    assert!(Server::start().unwrap().certificate().is_none());
}

#[test]
fn users_may_do_what_their_rules_say_also_after_a_restart() {
    let rules = ["~lock:*", "+set"];
    let mut server = Options::new().user("u", "p@ss", rules).start().unwrap();
    for _ in 0..2 {
        let user = server.url_of("u").unwrap();
        assert!(user.starts_with("redis://u:p%40ss@"), "{user}");
        let mut connection = redis::Client::open(user).unwrap().get_connection().unwrap();
        let mut set = |key: &str| redis::cmd("SET").arg(key).arg(1).query::<()>(&mut connection);
        set("lock:r").unwrap();
        let refused = set("r").unwrap_err().to_string();
        assert!(refused.contains("permissions"), "{refused}");
        server.restart().unwrap();
    }
    assert_eq!(server.url_of("nobody"), None);
    assert!(!format!("{server:?}").contains("p@ss"));
    let error = Options::new().user("u", "p", ["no-such-rule"]).start().unwrap_err();
    assert!(error.to_string().contains("no-such-rule"), "{error}");
}

#[test]
fn what_a_server_is_made_to_do_is_undone() {
    let mut server = Server::start().unwrap();
    let set = |server: &Server| server.cmd::<()>(&["SET", "key", "value"]);
    let refused = |server: &Server, word| {
        let error = set(server).unwrap_err().to_string();
        assert!(error.to_uppercase().contains(word), "{error}");
    };
    server.make_read_only().unwrap();
    refused(&server, "READONLY");
    server.promote().unwrap();
    set(&server).unwrap();

    server.fill_memory().unwrap();
    refused(&server, "OOM");
    server.free_memory().unwrap();
    set(&server).unwrap();

    let master = Server::start().unwrap();
    master.cmd::<()>(&["SET", "of the master", "1"]).unwrap();
    server.replicate(&master).unwrap();
    assert_eq!(server.keys().unwrap(), ["of the master"]);
    refused(&server, "READONLY");
    assert_eq!(server.connections().unwrap(), []);
    assert_eq!(master.connections().unwrap(), []);
    server.promote().unwrap();
    set(&server).unwrap();
    assert_eq!(server.keys().unwrap(), ["key", "of the master"]);
    assert_eq!(server.calls("SET").unwrap(), 3);

    let load = ["SCRIPT", "LOAD", "return 1"];
    let digest: String = server.cmd(&load).unwrap();
    server.cmd::<u64>(&["EVALSHA", &digest, "0"]).unwrap();
    server.flush_scripts().unwrap();
    assert!(server.cmd::<u64>(&["EVALSHA", &digest, "0"]).is_err());

    let before = server.url();
    let mut client = redis::Client::open(before).unwrap().get_connection().unwrap();
    assert_eq!(server.connections().unwrap().len(), 1);
    server.set_password("new").unwrap();
    redis::cmd("PING").query::<String>(&mut client).unwrap();
    set(&server).unwrap();
    server.restart().unwrap();
    set(&server).unwrap();
    assert!(server.url().contains(":new@"));
}
