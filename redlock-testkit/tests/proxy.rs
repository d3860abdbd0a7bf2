//! The proxy itself: each fault is seen at the client and at the server.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use redlock_testkit::server::{Direction, Flow, Proxy, Server, Traffic};

fn start() -> (Server, Proxy) {
    let server = Server::start().unwrap();
    let proxy = Proxy::start(&server).unwrap();
    (server, proxy)
}

/// A client that blocks for ten seconds at most.
fn client(proxy: &Proxy) -> TcpStream {
    let client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    client
}

fn send(mut client: &TcpStream, request: &str) {
    client.write_all(format!("{request}\r\n").as_bytes()).unwrap();
}

fn receive(mut client: &TcpStream, bytes: usize) -> String {
    let mut reply = vec![0; bytes];
    client.read_exact(&mut reply).unwrap();
    String::from_utf8(reply).unwrap()
}

/// What comes until the connection ends, which it does.
fn rest(mut client: &TcpStream) -> String {
    let mut reply = Vec::new();
    match client.read_to_end(&mut reply) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    String::from_utf8(reply).unwrap()
}

fn pings(client: &TcpStream) {
    send(client, "PING");
    assert_eq!(receive(client, 7), "+PONG\r\n");
}

#[test]
fn without_a_fault_everything_passes_and_is_counted() {
    let (server, proxy) = start();
    let client = client(&proxy);
    pings(&client);
    pings(&client);
    let traffic = proxy.wait_until(|t| (t.requests.passed, t.replies.passed) == (12, 14)).unwrap();
    assert_eq!((traffic.requests.arrived, traffic.replies.arrived), (12, 14));
    assert_eq!((traffic.connections, traffic.requests.lost, traffic.replies.lost), (1, 0, 0));
    assert!(proxy.url().ends_with(&format!(":{}/0", proxy.port())));
    assert_eq!(server.connections().unwrap().len(), 1);
    drop(client);
    while !server.connections().unwrap().is_empty() {}
}

#[test]
fn a_cut_ends_the_connections_of_now_and_not_those_to_come() {
    let (_server, proxy) = start();
    let before = client(&proxy);
    pings(&before);
    proxy.cut();
    assert_eq!(rest(&before), "");
    pings(&client(&proxy));
}

#[test]
fn a_reply_is_cut_in_the_middle_once() {
    let (_server, proxy) = start();
    let cut = client(&proxy);
    pings(&cut);
    proxy.set(Direction::Replies, Flow::CutAfter(3));
    send(&cut, "PING");
    assert_eq!(rest(&cut), "+PO");
    pings(&client(&proxy));
}

#[test]
fn only_the_request_that_was_named_sets_the_fault_off() {
    let (server, proxy) = start();
    let client = client(&proxy);
    proxy.when_request_has("secret", Direction::Replies, Flow::CutAfter(0));
    pings(&client);
    send(&client, "SET key secret");
    assert_eq!(rest(&client), "");
    assert_eq!(server.keys().unwrap(), ["key"]);
}

#[test]
fn lost_replies_are_never_followed_by_others() {
    let (server, proxy) = start();
    let client = client(&proxy);
    proxy.set(Direction::Replies, Flow::Lose);
    send(&client, "SET key value");
    proxy.wait_until(|traffic| traffic.replies.lost == 5).unwrap();
    assert_eq!(server.keys().unwrap(), ["key"]);
    send(&client, "PING");
    proxy.wait_until(|traffic| traffic.replies.lost == 12).unwrap();
    proxy.heal().unwrap();
    assert_eq!(rest(&client), "");
}

#[test]
fn lost_requests_reach_nobody() {
    let (server, proxy) = start();
    let client = client(&proxy);
    proxy.set(Direction::Requests, Flow::Lose);
    send(&client, "SET key value");
    proxy.wait_until(|traffic| traffic.requests.lost == 15).unwrap();
    proxy.heal().unwrap();
    assert_eq!(rest(&client), "");
    assert_eq!(server.calls("set").unwrap(), 0);
}

#[test]
fn what_is_held_passes_in_order_once_it_may() {
    let (server, proxy) = start();
    let client = client(&proxy);
    pings(&client);
    proxy.set(Direction::Requests, Flow::Hold);
    send(&client, "SET key value");
    proxy.wait_until(|traffic| traffic.requests.arrived == 21).unwrap();
    send(&client, "PING");
    assert_eq!(server.calls("set").unwrap(), 0);
    proxy.set(Direction::Requests, Flow::Pass);
    assert_eq!(receive(&client, 12), "+OK\r\n+PONG\r\n");
}

#[test]
fn a_stranded_request_arrives_after_one_on_a_later_connection() {
    let (server, proxy) = start();
    let early = client(&proxy);
    proxy.set(Direction::Requests, Flow::Hold);
    send(&early, "SET key early");
    proxy.wait_until(|traffic| traffic.requests.arrived == 15).unwrap();
    proxy.strand();
    assert_eq!(rest(&early), "");
    proxy.set(Direction::Requests, Flow::Pass);
    let late = client(&proxy);
    send(&late, "SET key late");
    assert_eq!(receive(&late, 5), "+OK\r\n");
    assert_eq!(server.cmd::<String>(&["GET", "key"]).unwrap(), "late");
    proxy.deliver();
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.cmd::<String>(&["GET", "key"]).unwrap() != "early" {
        assert!(Instant::now() < deadline);
    }
    pings(&late);
}

#[test]
fn delayed_and_throttled_bytes_take_their_time() {
    let (_server, proxy) = start();
    let client = client(&proxy);
    let took = |direction, flow| {
        proxy.set(direction, flow);
        let start = Instant::now();
        pings(&client);
        proxy.heal().unwrap();
        start.elapsed()
    };
    for direction in [Direction::Requests, Direction::Replies] {
        assert!(
            took(direction, Flow::Delay(Duration::from_millis(60))) >= Duration::from_millis(60)
        );
    }
    proxy.set(Direction::Requests, Flow::Delay(Duration::MAX));
    let all_passed = |t: &Traffic| t.requests.passed == t.requests.arrived;
    let before = proxy.wait_until(all_passed).unwrap().requests;
    send(&client, "PING");
    proxy.wait_until(|traffic| traffic.requests.arrived > before.arrived).unwrap();
    assert_eq!(proxy.traffic().requests.passed, before.passed);
    proxy.heal().unwrap();
    assert_eq!(receive(&client, 7), "+PONG\r\n");
    let rate = NonZeroU32::new(100).unwrap();
    assert!(took(Direction::Replies, Flow::Throttle(rate)) >= Duration::from_millis(70));
}

#[test]
fn refused_clients_learn_it_at_once_and_get_in_later() {
    let (_server, proxy) = start();
    let before = client(&proxy);
    pings(&before);
    for _ in 0..3 {
        proxy.refuse();
        proxy.refuse();
        let refused = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        pings(&before);
        proxy.accept().unwrap();
        pings(&client(&proxy));
    }
}

#[test]
fn a_killed_server_is_a_connection_that_ends_and_its_return_is_seen() {
    let (mut server, proxy) = start();
    let before = client(&proxy);
    pings(&before);
    server.kill();
    assert_eq!(rest(&before), "");
    assert_eq!(rest(&client(&proxy)), "");
    server.restart().unwrap();
    pings(&client(&proxy));
}

/// How many threads and sockets of this process are a proxy's cannot be told from outside while
/// other tests run; their ends can.
#[test]
fn a_dropped_proxy_leaves_nothing() {
    let (server, proxy) = start();
    let port = proxy.port();
    let clients: Vec<_> = (0..5).map(|_| client(&proxy)).collect();
    clients.iter().for_each(pings);
    proxy.set(Direction::Requests, Flow::Hold);
    clients.iter().for_each(|client| send(client, "PING"));
    drop(proxy);
    for client in &clients {
        assert_eq!(rest(client), "");
    }
    let gone = TcpStream::connect(("127.0.0.1", port)).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::ConnectionRefused);
    while !server.connections().unwrap().is_empty() {}
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
    let listening = format!("0100007F:{port:04X} 00000000:0000 0A");
    assert!(!sockets.contains(&listening));
}
