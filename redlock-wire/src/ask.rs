//! What a node says to its server for each of the calls of a lock.

use std::{sync::Arc, time::Duration};

use redlock_core::{
    Announced, Delivery, FailureKind, Fingerprint, Inspection, NodeError, Resource, Token, Ttl,
    Vote,
};

use crate::{
    Command, Exchange, Reply, Script, Trouble,
    channel::{ANYBODY, name_of_channel, teller},
};

/// Takes the resource for this token if it is free or already this token's: one plain `SET`, and
/// after a refusal one script that tells who has it.
///
/// # Errors
///
/// [`NodeError`] if the server did not answer, or answered that it cannot.
///
/// # Cancel safety
///
/// Dropped, the outcome is unknown.
pub async fn acquire(
    server: &mut impl Exchange,
    resource: &Resource,
    token: &Token,
    ttl: Ttl,
) -> Result<Vote, NodeError> {
    match server.send(Command::set(resource, token, ttl.as_millis())).await? {
        Reply::Okay => return Ok(Vote::granted()),
        Reply::Nil => {}
        _ => return Err(odd_answer(server.label())),
    }
    // There was a key: perhaps this token's, from a request whose answer was lost. Boxed, as all
    // that is rare: the future of the plain way stays small.
    match Box::pin(look(server, resource)).await {
        Ok(Found::Value(value, _)) if value == token.as_bytes() => Ok(Vote::granted()),
        Ok(Found::Value(value, left)) => {
            Ok(Vote::held_by(Fingerprint::of(&value), remaining(left)))
        }
        // It has ended since. What was refused stays refused: nothing was set.
        Ok(Found::Nothing) => Ok(Vote::held_by_another(Some(Duration::ZERO))),
        Err(trouble) => {
            let foreign = trouble.code() == Some("WRONGTYPE");
            let error = NodeError::from(trouble);
            // Whatever kept the node from looking, the key may still be this token's.
            Err(if foreign { error } else { error.with_delivery(Delivery::Unknown) })
        }
    }
}

/// Keeps the resource for this token for at least `ttl` from now, if the token has it.
///
/// # Errors
///
/// [`NodeError`] if the server did not answer, or answered that it cannot.
///
/// # Cancel safety
///
/// Dropped, the outcome is unknown.
pub async fn extend(
    server: &mut impl Exchange,
    resource: &Resource,
    token: &Token,
    ttl: Ttl,
) -> Result<Vote, NodeError> {
    let command = Command::script(Script::EXTEND, resource).token(token).millis(ttl.as_millis());
    change(server, &command).await
}

/// Gives the resource up if this token has it.
///
/// # Errors
///
/// [`NodeError`] if the server did not answer, or answered that it cannot.
///
/// # Cancel safety
///
/// Dropped, the outcome is unknown.
pub async fn release(
    server: &mut impl Exchange,
    resource: &Resource,
    token: &Token,
) -> Result<Vote, NodeError> {
    change(server, &Command::script(Script::RELEASE, resource).token(token)).await
}

/// As [`release`]; and if that deletes the key, tells those who have subscribed to the
/// [`Channel`](crate::Channel) of the resource in the same atomic step.
///
/// A server that may not tell anybody, or cannot, releases all the same.
///
/// # Errors
///
/// [`NodeError`] if the server did not answer, or answered that it cannot release.
///
/// # Cancel safety
///
/// Dropped, the outcome is unknown.
pub async fn release_and_notify(
    server: &mut impl Exchange,
    resource: &Resource,
    token: &Token,
    audience: Audience,
) -> Result<Announced, NodeError> {
    let (channel, message) = (name_of_channel(resource), teller(token.fingerprint()));
    let command = Command::script(Script::RELEASE_AND_NOTIFY, resource).token(token).telling(
        &channel,
        &message,
        audience == Audience::Cluster,
    );
    announced(run(server, &command).await?).ok_or_else(|| odd_answer(server.label()))
}

/// What the answer to a release that tells means, if it is one.
pub(crate) fn announced(answer: Reply) -> Option<Announced> {
    let (vote, listeners) = match answer {
        Reply::Okay => (Vote::granted(), 0),
        Reply::Value(word, listeners) if word == b"OK" => (Vote::granted(), listeners.max(0)),
        Reply::Nil => (Vote::not_held(), 0),
        Reply::Int(left) => (Vote::held_by_another(remaining(left)), 0),
        _ => return None,
    };
    Some(Announced { vote, listeners: u32::try_from(listeners).unwrap_or(u32::MAX) })
}

/// Tells those who have subscribed to the [`Channel`](crate::Channel) of the resource that it may be free.
///
/// # Errors
///
/// [`NodeError`] if the server did not answer, or answered that it cannot.
///
/// # Cancel safety
///
/// Dropped, it is unknown whether anybody is told.
pub async fn notify(server: &mut impl Exchange, resource: &Resource) -> Result<(), NodeError> {
    let channel = name_of_channel(resource);
    match server.send(Command::publish(resource, &channel, ANYBODY)).await? {
        Reply::Int(_) => Ok(()),
        _ => Err(odd_answer(server.label())),
    }
}

/// Where those may be who have subscribed to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// At the server that has the key. With nobody there, nothing is told.
    Server,
    /// At any server of its cluster. A server counts its own subscribers only, so it tells the
    /// others always: plain `PUBLISH` reaches them all, in every version, while the sharded one
    /// would need Redis 7 and a connection to each master, made anew whenever a slot moves.
    Cluster,
}

/// Tells who has the resource, changing nothing.
///
/// # Errors
///
/// [`NodeError`] if the server did not answer, or answered that it cannot.
///
/// # Cancel safety
///
/// Changes nothing, so dropping it does neither.
pub async fn inspect(
    server: &mut impl Exchange,
    resource: &Resource,
) -> Result<Inspection, NodeError> {
    match look(server, resource).await? {
        Found::Nothing => Ok(Inspection::Free),
        Found::Value(value, left) => match Token::from_bytes(value) {
            Ok(token) => Ok(Inspection::Held { token, remaining: remaining(left) }),
            // An empty value: no token, so no lock made it.
            Err(_) => Err(odd_answer(server.label())),
        },
    }
}

/// What there is at the key of a resource.
pub(crate) enum Found {
    Nothing,
    Value(Vec<u8>, i64),
}

pub(crate) async fn look(
    server: &mut impl Exchange,
    resource: &Resource,
) -> Result<Found, Trouble> {
    match run(server, &Command::script(Script::INSPECT, resource)).await? {
        Reply::Nil => Ok(Found::Nothing),
        Reply::Value(value, left) => Ok(Found::Value(value, left)),
        _ => Err(odd_answer(server.label()).into()),
    }
}

/// Runs one of the scripts that answer with a vote.
pub(crate) async fn change(
    server: &mut impl Exchange,
    command: &Command<'_>,
) -> Result<Vote, NodeError> {
    match run(server, command).await? {
        Reply::Okay => Ok(Vote::granted()),
        Reply::Nil => Ok(Vote::not_held()),
        Reply::Int(left) => Ok(Vote::held_by_another(remaining(left))),
        _ => Err(odd_answer(server.label())),
    }
}

/// Runs a script by its digest, and by its text where the server does not know it.
///
/// One `EVAL` and no more: loading it first and trying again would let a later call for the
/// same resource overtake this one between the steps (requirement R19).
pub(crate) async fn run(
    server: &mut impl Exchange,
    command: &Command<'_>,
) -> Result<Reply, Trouble> {
    match server.send(*command).await {
        Err(trouble) if trouble.code() == Some("NOSCRIPT") => {
            Box::pin(server.send(command.by_text())).await
        }
        answer => answer,
    }
}

/// What a node tells of a key's lifetime: -1 is for ever, -2 means that it has just ended.
pub(crate) fn remaining(millis: i64) -> Option<Duration> {
    match millis {
        -1 => None,
        left => Some(Duration::from_millis(u64::try_from(left).unwrap_or(0))),
    }
}

/// The answer was of a kind that no node gives to this request.
pub(crate) fn odd_answer(label: &Arc<str>) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::Protocol).with_source(OddAnswer)
}

/// An answer that parses and means nothing.
#[derive(Debug, thiserror::Error)]
#[error("its type is not one that the request has")]
struct OddAnswer;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use futures::executor::block_on;

    use super::*;
    use crate::Both;

    /// A server whose answers are written down beforehand.
    struct Prompter {
        label: Arc<str>,
        heard: Vec<&'static str>,
        answers: VecDeque<Result<Reply, &'static str>>,
    }

    impl Prompter {
        fn new<const N: usize>(answers: [Result<Reply, &'static str>; N]) -> Self {
            Self { label: Arc::from("n"), heard: Vec::new(), answers: answers.into() }
        }
    }

    impl Exchange for Prompter {
        fn label(&self) -> &Arc<str> {
            &self.label
        }

        async fn send(&mut self, command: Command<'_>) -> Result<Reply, Trouble> {
            self.heard.push(command.name());
            self.answers.pop_front().expect("one command more than was written down").map_err(
                |code| {
                    let failure = crate::failure(code, "");
                    let error = NodeError::new("n", failure.kind).with_delivery(failure.delivery);
                    Trouble::said(code, error)
                },
            )
        }

        async fn send_both(&mut self, first: Command<'_>, second: Command<'_>) -> Both {
            (self.send(first).await, self.send(second).await)
        }
    }

    fn value(token: &str) -> Result<Reply, &'static str> {
        Ok(Reply::Value(token.into(), 250))
    }

    #[test]
    fn an_acquire_is_one_set_and_after_a_refusal_one_look() {
        let (x, left) = (Fingerprint::of(b"x"), Some(Duration::from_millis(250)));
        let table: [(&[_], Vote, &[&str]); 4] = [
            (&[Ok(Reply::Okay)], Vote::granted(), &["SET"]),
            (&[Ok(Reply::Nil), value("mine")], Vote::granted(), &["SET", "EVALSHA"]),
            (&[Ok(Reply::Nil), value("x")], Vote::held_by(x, left), &["SET", "EVALSHA"]),
            (
                &[Ok(Reply::Nil), Err("NOSCRIPT"), Ok(Reply::Nil)],
                Vote::held_by_another(Some(Duration::ZERO)),
                &["SET", "EVALSHA", "EVAL"],
            ),
        ];
        let (resource, token) = (Resource::new("r").unwrap(), Token::from_bytes(*b"mine").unwrap());
        let ttl = Ttl::new(Duration::from_secs(1)).unwrap();
        for (answers, vote, heard) in table {
            let mut server = Prompter::new([]);
            server.answers.extend(answers.iter().cloned());
            let voted = block_on(acquire(&mut server, &resource, &token, ttl));
            assert_eq!(voted.unwrap(), vote);
            assert_eq!(server.heard, heard);
        }
    }

    #[test]
    fn a_refusal_that_cannot_be_looked_into_leaves_the_outcome_unknown_unless_the_key_is_foreign() {
        let (resource, token) = (Resource::new("r").unwrap(), Token::from_bytes(*b"mine").unwrap());
        let ttl = Ttl::new(Duration::from_secs(1)).unwrap();
        for (code, delivery) in [("NOPERM", Delivery::Unknown), ("WRONGTYPE", Delivery::Refused)] {
            let mut server = Prompter::new([Ok(Reply::Nil), Err(code)]);
            let error = block_on(acquire(&mut server, &resource, &token, ttl)).unwrap_err();
            assert_eq!(error.delivery(), delivery, "{code}");
        }
    }

    #[test]
    fn a_release_that_tells_counts_those_who_hear_it() {
        let (resource, token) = (Resource::new("r").unwrap(), Token::from_bytes(*b"mine").unwrap());
        let okay = |listeners| Reply::Value(b"OK".to_vec(), listeners);
        let left = Some(Duration::from_millis(250));
        for (answer, vote, listeners) in [
            (Reply::Okay, Vote::granted(), 0),
            (okay(0), Vote::granted(), 0),
            (okay(3), Vote::granted(), 3),
            (okay(-1), Vote::granted(), 0),
            (okay(i64::MAX), Vote::granted(), u32::MAX),
            (Reply::Nil, Vote::not_held(), 0),
            (Reply::Int(250), Vote::held_by_another(left), 0),
        ] {
            let mut server = Prompter::new([Ok(answer)]);
            let told =
                block_on(release_and_notify(&mut server, &resource, &token, Audience::Server));
            assert_eq!(told.unwrap(), Announced { vote, listeners });
            assert_eq!(server.heard, ["EVALSHA"]);
        }
        for odd in [Reply::Odd, Reply::List(Vec::new()), Reply::Value(b"ok".to_vec(), 1)] {
            let mut server = Prompter::new([Ok(odd)]);
            let told =
                block_on(release_and_notify(&mut server, &resource, &token, Audience::Server));
            assert_eq!(told.unwrap_err().kind(), FailureKind::Protocol);
        }
    }

    #[test]
    fn a_notice_is_one_publish_whose_refusal_is_told() {
        let resource = Resource::new("r").unwrap();
        let mut server = Prompter::new([Ok(Reply::Int(0)), Err("NOPERM"), Ok(Reply::Okay)]);
        let mut notify = || block_on(notify(&mut server, &resource)).map_err(|error| error.kind());
        assert_eq!(notify(), Ok(()));
        assert_eq!(notify(), Err(FailureKind::Rejected));
        assert_eq!(notify(), Err(FailureKind::Protocol));
        assert_eq!(server.heard, ["PUBLISH"; 3]);
    }

    #[test]
    fn a_script_that_is_missing_again_is_not_sent_a_third_time() {
        let (resource, token) = (Resource::new("r").unwrap(), Token::from_bytes(*b"mine").unwrap());
        let mut server = Prompter::new([Err("NOSCRIPT"), Err("NOSCRIPT")]);
        let error = block_on(release(&mut server, &resource, &token)).unwrap_err();
        assert_eq!(error.kind(), FailureKind::Rejected);
        assert_eq!(server.heard, ["EVALSHA", "EVAL"]);
    }

    #[test]
    fn an_answer_of_another_type_is_a_protocol_failure() {
        let (resource, token) = (Resource::new("r").unwrap(), Token::from_bytes(*b"mine").unwrap());
        let ttl = Ttl::new(Duration::from_secs(1)).unwrap();
        for odd in [Reply::Odd, Reply::Int(1), Reply::Value(Vec::new(), 1)] {
            let mut server = Prompter::new([Ok(odd)]);
            let error = block_on(acquire(&mut server, &resource, &token, ttl)).unwrap_err();
            assert_eq!(error.kind(), FailureKind::Protocol);
            assert_eq!(error.delivery(), Delivery::Unknown);
        }
        let mut server = Prompter::new([Ok(Reply::Value(Vec::new(), 1))]);
        let error = block_on(inspect(&mut server, &resource)).unwrap_err();
        assert_eq!(error.kind(), FailureKind::Protocol);
    }
}
