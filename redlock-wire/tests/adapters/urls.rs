//! Which urls lead to a server, by what name it goes then, and what is said of all others.

use redlock_core::LockNode;
use redlock_wire::UrlProblem;

use crate::common::{Node, is_named_and_not_shown};

fn labelled(url: &str) -> String {
    Node::open(url).unwrap().label().to_owned()
}

#[test]
fn a_label_says_where_and_not_who() {
    for (url, expected) in [
        ("redis://127.0.0.1:7001", "127.0.0.1:7001/0"),
        ("redis://127.0.0.1:7001/0", "127.0.0.1:7001/0"),
        ("redis://example.org/3", "example.org:6379/3"),
        ("redis://user:secret@h:1/2", "h:1/2"),
        ("redis://:secret@h", "h:6379/0"),
        ("redis://:se%2Fcr%40et@h", "h:6379/0"),
        ("redis://[::1]:7001", "[::1]:7001/0"),
        ("valkey://h?protocol=resp3", "h:6379/0"),
        #[cfg(unix)]
        ("unix:///run/r.sock", "unix:/run/r.sock/0"),
        #[cfg(unix)]
        ("unix:///run/r.sock?db=1&user=u&pass=secret", "unix:/run/r.sock/1"),
    ] {
        assert_eq!(labelled(url), expected);
    }
}

#[test]
fn a_url_that_is_no_good_is_named_by_its_problem_and_never_shown() {
    for (url, problem) in [
        (":secret@h:6379", UrlProblem::Scheme),
        ("redis://:sec/ret@h", UrlProblem::Syntax),
        ("redis://u:123/secret@h", UrlProblem::Unescaped),
        ("redis://h/secret", UrlProblem::Database),
        ("redis://h?protocol=secret", UrlProblem::Settings),
        ("redis://:%FFsecret@h", UrlProblem::Settings),
        #[cfg(unix)]
        ("unix:///path?db=secret", UrlProblem::SocketPath),
    ] {
        is_named_and_not_shown(url, Node::open(url).unwrap_err(), problem);
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_without_its_feature_is_refused() {
    let url = "rediss://:secret@h";
    is_named_and_not_shown(url, Node::open(url).unwrap_err(), UrlProblem::NoTls);
}

#[cfg(feature = "tls")]
#[test]
fn tls_has_the_same_labels() {
    assert_eq!(labelled("rediss://u:secret@h/1"), "h:6379/1");
    let url = "rediss://h/#secret";
    is_named_and_not_shown(url, Node::open(url).unwrap_err(), UrlProblem::Fragment);
}
