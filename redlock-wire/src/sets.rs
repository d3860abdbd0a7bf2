//! What a node says to its server for several resources at once.

use std::sync::Arc;

use redlock_core::{
    Announced, Delivery, FailureKind, Fingerprint, NodeError, Resource, ResourceSet, Token, Ttl,
    Vote,
};

use crate::{
    Audience, Command, Exchange, Reply, Script,
    ask::{self, announced, change, odd_answer, remaining},
    channel::{Channel, teller},
    companion::slot,
};

/// Takes every resource for this token, or none: one script.
///
/// # Errors
///
/// [`NodeError`] if the server did not answer, or answered that it cannot.
///
/// # Cancel safety
///
/// Dropped, the outcome is unknown.
pub(crate) async fn acquire_all(
    server: &mut impl Exchange,
    resources: &ResourceSet,
    token: &Token,
    ttl: Ttl,
) -> Result<Vote, NodeError> {
    let command = Command::script_for_all(Script::ACQUIRE_ALL, resources)
        .token(token)
        .millis(ttl.as_millis());
    match ask::run(server, &command).await? {
        Reply::Okay => Ok(Vote::granted()),
        Reply::Value(value, left) => Ok(Vote::held_by(Fingerprint::of(&value), remaining(left))),
        _ => Err(odd_answer(server.label())),
    }
}

/// Keeps every resource for at least `ttl` from now, if the token has all of them.
///
/// # Errors
///
/// [`NodeError`] if the server did not answer, or answered that it cannot.
///
/// # Cancel safety
///
/// Dropped, the outcome is unknown.
pub(crate) async fn extend_all(
    server: &mut impl Exchange,
    resources: &ResourceSet,
    token: &Token,
    ttl: Ttl,
) -> Result<Vote, NodeError> {
    let command = Command::script_for_all(Script::EXTEND_ALL, resources);
    change(server, &command.token(token).millis(ttl.as_millis())).await
}

/// Gives up what this token has of them. To an audience, if there is one, that is told on the
/// [`Channel`] of each in the same step.
///
/// # Errors
///
/// [`NodeError`] if the server did not answer, or answered that it cannot release one of them.
///
/// # Cancel safety
///
/// Dropped, the outcome is unknown.
pub(crate) async fn release_all(
    server: &mut impl Exchange,
    resources: &ResourceSet,
    token: &Token,
    audience: Option<Audience>,
) -> Result<Announced, NodeError> {
    let (channels, message);
    let mut command = Command::script_for_all(Script::RELEASE_ALL, resources).token(token);
    if let Some(audience) = audience {
        channels = resources.iter().map(Channel::of).collect::<Vec<_>>();
        message = teller(token.fingerprint());
        command = command.telling_each(&channels, &message, audience == Audience::Cluster);
    }
    announced(ask::run(server, &command).await?).ok_or_else(|| odd_answer(server.label()))
}

/// Refuses what a cluster could not do at once, before anything is sent.
pub(crate) fn in_one_slot(label: &Arc<str>, resources: &ResourceSet) -> Result<(), NodeError> {
    let first = resources.first();
    match resources.iter().find(|other| slot(other.as_str()) != slot(first.as_str())) {
        None => Ok(()),
        Some(other) => Err(NodeError::new(Arc::clone(label), FailureKind::Rejected)
            .with_delivery(Delivery::NotSent)
            .with_source(CrossSlot { first: first.clone(), other: other.clone() })),
    }
}

/// Two servers may have them, and none can see to both.
#[derive(Debug, thiserror::Error)]
#[error(
    "{first:?} and {other:?} lie in different slots of the cluster, so they cannot be locked \
     together: names with the same part in braces, as in \"{{shop}}:a\" and \"{{shop}}:b\", share \
     a slot"
)]
struct CrossSlot {
    first: Resource,
    other: Resource,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Word;

    fn set(names: &[&str]) -> ResourceSet {
        ResourceSet::new(names.iter().map(|name| Resource::new(*name).unwrap())).unwrap()
    }

    fn spoken(command: Command<'_>) -> Vec<String> {
        let words = command.words().into_iter().map(|word| match word {
            Word::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Word::Number(number) => number.to_string(),
        });
        words.skip(1).collect()
    }

    #[test]
    fn every_resource_is_a_key_and_a_word_of_its_own() {
        let token = Token::from_bytes(*b"t").unwrap();
        let (set, other) = (set(&["a", "bc", "d"]), set(&["ab", "c", "d"]));
        let acquire = Command::script_for_all(Script::ACQUIRE_ALL, &set).token(&token).millis(7);
        assert_eq!(spoken(acquire), ["3", "a", "bc", "d", "t", "7"]);
        assert_eq!(acquire.key().as_str(), "a");
        let others = Command::script_for_all(Script::ACQUIRE_ALL, &other).token(&token).millis(7);
        assert_ne!(spoken(acquire), spoken(others));

        let release = Command::script_for_all(Script::RELEASE_ALL, &set).token(&token);
        assert_eq!(spoken(release), ["3", "a", "bc", "d", "t"]);
        let channels: Vec<_> = set.iter().map(Channel::of).collect();
        let told = ["redlocks:released:{a}", "redlocks:released:{bc}", "redlocks:released:{d}"];
        for (always, word) in [(false, "0"), (true, "1")] {
            let telling = spoken(release.telling_each(&channels, b"m", always));
            assert_eq!(telling[..7], ["3", "a", "bc", "d", "t", "m", word]);
            assert_eq!(telling[7..], told);
        }
    }

    #[test]
    fn resources_of_two_slots_are_named() {
        let label = Arc::from("n");
        assert!(in_one_slot(&label, &set(&["{shop}:a", "{shop}:b", "shop"])).is_ok());
        let error = in_one_slot(&label, &set(&["z", "{shop}:a", "{shop}:b"])).unwrap_err();
        assert_eq!(error.kind(), FailureKind::Rejected);
        assert_eq!(error.delivery(), Delivery::NotSent);
        let said = error.to_string();
        assert!(said.contains(r#""z" and "{shop}:a" lie in different slots"#), "{said}");
    }
}
