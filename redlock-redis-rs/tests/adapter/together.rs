//! Calls of many tasks at once, which leave together.

use futures::future::join_all;
use redlock_core::{FailureKind, LockNode, Refusal, Token, Vote};
use redlock_testkit::server::Server;

use crate::common::{exists, node, resource, token, ttl};

#[tokio::test]
async fn everybody_gets_the_answer_to_what_he_has_asked() {
    let server = Server::start().unwrap();
    let node = node(&server);
    let names: Vec<_> = (0..300).map(|number| resource(&format!("r{number}"))).collect();
    let (mine, theirs) = (token("mine"), token("theirs"));
    for number in (0..300).filter(|number| number % 3 == 1) {
        server.cmd::<String>(&["SET", &format!("r{number}"), "theirs"]).unwrap();
    }
    for number in (0..300).filter(|number| number % 3 == 2) {
        server.cmd::<u64>(&["LPUSH", &format!("r{number}"), "no lock"]).unwrap();
    }
    let asked = names.iter().map(|name| node.acquire(name, &mine, ttl(60_000)));
    for (number, vote) in join_all(asked).await.into_iter().enumerate() {
        match number % 3 {
            0 => assert_eq!(vote.unwrap(), Vote::granted()),
            1 => {
                assert_eq!(vote.unwrap(), Vote::held_by(theirs.fingerprint(), None));
            }
            _ => assert_eq!(vote.unwrap_err().kind(), FailureKind::Rejected),
        }
    }
    let asked = names.iter().map(|name| node.release(name, &mine));
    for (number, vote) in join_all(asked).await.into_iter().enumerate() {
        match number % 3 {
            0 => assert_eq!(vote.unwrap(), Vote::granted()),
            1 => assert!(matches!(
                vote.unwrap(),
                Vote::Refused(Refusal::HeldByAnother { remaining: None, .. })
            )),
            _ => assert_eq!(vote.unwrap_err().kind(), FailureKind::Rejected),
        }
    }
}

/// Who is dropped may have been heard; but what comes after him for the same claim comes after.
#[tokio::test]
async fn a_release_is_behind_the_acquire_that_was_dropped() {
    let server = Server::start().unwrap();
    let node = node(&server);
    node.check().await.unwrap();
    let names: Vec<_> = (0..200).map(|number| resource(&format!("r{number}"))).collect();
    let tokens: Vec<Token> = (0..200).map(|number| token(format!("t{number}"))).collect();
    let claims = || names.iter().zip(&tokens);
    let mut acquires: Vec<_> =
        claims().map(|(name, token)| node.acquire(name, token, ttl(60_000))).collect();
    for (number, acquire) in acquires.iter_mut().enumerate() {
        // Polled a few times, so that some are in the outbox, and some on their way.
        assert!(futures::poll!(acquire).is_pending());
        if number % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    drop(acquires);
    let releases = join_all(claims().map(|(name, token)| node.release(name, token))).await;
    let granted = releases.into_iter().filter(|vote| vote.as_ref().unwrap() == &Vote::granted());
    // Some were heard, and some were not: otherwise this shows nothing.
    let granted = granted.count();
    assert!((1..200).contains(&granted), "{granted}");
    assert!(names.iter().all(|name| !exists(&server, name.as_str())));
}

#[tokio::test]
async fn a_server_that_dies_answers_nobody_and_keeps_nobody_waiting() {
    let mut server = Server::start().unwrap();
    let node = node(&server);
    node.check().await.unwrap();
    server.stop();
    let names: Vec<_> = (0..50).map(|number| resource(&format!("r{number}"))).collect();
    let mine = token("mine");
    let asked = join_all(names.iter().map(|name| node.acquire(name, &mine, ttl(60_000))));
    let dies = async {
        tokio::task::yield_now().await;
        server.kill();
    };
    let (votes, ()) = tokio::join!(asked, dies);
    for vote in votes {
        assert_eq!(vote.unwrap_err().kind(), FailureKind::Closed);
    }
}
