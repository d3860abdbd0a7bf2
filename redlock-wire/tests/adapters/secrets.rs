//! A password is nowhere to be read.

use std::error::Error;

use crate::common::{Node, configured, resource, votes};
use redlock_core::LockNode;
use redlock_testkit::server::Options;

const SECRET: &str = "pa%2Fs3%40w0rd%3A%23";
const DECODED: &str = "pa/s3@w0rd:#";

fn hidden(text: &str) {
    for secret in [SECRET, DECODED, "w0rd"] {
        assert!(!text.contains(secret), "{text}");
    }
}

/// What an error shows in any way, with all that it is caused by.
fn shown(error: &dyn Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(" {error} {error:?}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn a_node_never_shows_its_password() {
    let mut server = Options::new().password(DECODED).start().unwrap();
    let (port, other) = (server.port(), "wrongw0rd");
    let right = format!("redis://:{SECRET}@127.0.0.1:{port}/0");
    let wrong = format!("redis://{other}:{other}@127.0.0.1:{port}/0");
    let nodes =
        [Node::open(&right).unwrap(), Node::open(&wrong).unwrap(), configured(&server, DECODED)];
    assert!(votes(&nodes[0]).await && votes(&nodes[2]).await);
    hidden(&shown(&nodes[1].inspect(&resource("r")).await.unwrap_err()));
    server.kill();
    for node in &nodes {
        assert_eq!(node.label(), format!("127.0.0.1:{port}/0"));
        hidden(&format!("{node:?} {node:#?}"));
        // Unreachable, or closed: the second if it is quicker than the news.
        hidden(&shown(&node.inspect(&resource("r")).await.unwrap_err()));
    }
}

#[test]
fn a_url_that_cannot_be_used_is_not_shown() {
    let urls = ["redis://a".to_owned(), format!("redis://:{DECODED}@h")];
    let error = Node::open_all(&urls).unwrap_err();
    hidden(&shown(&error));
    assert!(error.to_string().starts_with("url 2 does not parse"), "{error}");
    assert_eq!(Node::open_all(&urls[..1]).unwrap()[0].label(), "a:6379/0");
}

#[test]
fn a_node_can_have_any_name_and_the_default_is_on_this_machine() {
    assert_eq!(Node::default().label(), "127.0.0.1:6379/0");
    assert_eq!(Node::default().labelled("east").label(), "east");
    assert!(format!("{:?}", Node::default()).contains("127.0.0.1:6379/0"));
}
