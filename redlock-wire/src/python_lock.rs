use std::time::Duration;

use redlock_core::{Cursor, Held, Inspection, NodeError, Page, Resource, Token, Ttl, Vote};

use crate::{Command, Exchange, Lasting, Reply, Script, Trouble, ask, survey};

/// A lock as the Python package [python-redis-lock] keeps it: the calls of a lock, so that both
/// exclude and wake each other.
///
/// It has two keys. `lock:` and the resource holds the token. `lock-signal:` and the resource is a
/// list: whoever gives the lock up leaves one element there, for a time that he chooses, and
/// whoever waits takes it by `BLPOP` and tries again. So one release wakes one of those who wait.
///
/// [python-redis-lock]: https://pypi.org/project/python-redis-lock/
#[derive(Clone, Debug)]
pub struct PythonLock {
    lock: Resource,
    signal: Resource,
    signal_lifetime: Ttl,
}

impl PythonLock {
    /// What the name of the key of each lock starts with.
    pub const PREFIX: &str = "lock:";

    /// How long the signal of a release stays there unless that is set: a second.
    pub const SIGNAL_LIFETIME: Duration = Duration::from_secs(1);

    /// The lock of this resource, whose releases leave their signal for so long.
    #[must_use]
    pub fn new(resource: &Resource, signal_lifetime: Ttl) -> Self {
        let key = |prefix: &str| {
            Resource::new(format!("{prefix}{resource}")).expect("a prefix makes it not empty")
        };
        Self { lock: key(Self::PREFIX), signal: key("lock-signal:"), signal_lifetime }
    }

    /// The key whose value is the holder's token.
    #[must_use]
    pub const fn lock(&self) -> &Resource {
        &self.lock
    }

    /// The key of the list that a release leaves an element in.
    #[must_use]
    pub const fn signal(&self) -> &Resource {
        &self.signal
    }

    /// As [`acquire`](crate::acquire).
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the outcome is unknown.
    pub async fn acquire(
        &self,
        server: &mut impl Exchange,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        ask::acquire(server, &self.lock, token, ttl).await
    }

    /// As [`extend`](crate::extend).
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the outcome is unknown.
    pub async fn extend(
        &self,
        server: &mut impl Exchange,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        ask::extend(server, &self.lock, token, ttl).await
    }

    /// As [`release`](crate::release): leaves the signal alone, so that nobody is told.
    ///
    /// Others may have seen the lock held, and wait: see that somebody takes it, or
    /// [leave the signal](Self::signal_if_free).
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the outcome is unknown.
    pub async fn release(
        &self,
        server: &mut impl Exchange,
        token: &Token,
    ) -> Result<Vote, NodeError> {
        ask::release(server, &self.lock, token).await
    }

    /// As [`release`](Self::release), and leaves the signal in the same step if that has freed
    /// the lock: what `release` does in Python.
    ///
    /// A server that does not let this user touch the signal is asked to release all the same.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the outcome is unknown.
    pub async fn release_and_signal(
        &self,
        server: &mut impl Exchange,
        token: &Token,
    ) -> Result<Vote, NodeError> {
        match ask::run(server, &self.both_keys(RELEASE).token(token)).await {
            Err(trouble) if trouble.code() == Some("NOPERM") => self.release(server, token).await,
            Err(trouble) => Err(trouble.into()),
            Ok(Reply::Okay) => Ok(Vote::granted()),
            Ok(Reply::Nil) => Ok(Vote::not_held()),
            Ok(Reply::Int(left)) => Ok(Vote::held_by_another(ask::remaining(left))),
            Ok(_) => Err(ask::odd_answer(server.label())),
        }
    }

    /// As [`inspect`](crate::inspect).
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so dropping it does neither.
    pub async fn inspect(&self, server: &mut impl Exchange) -> Result<Inspection, NodeError> {
        ask::inspect(server, &self.lock).await
    }

    /// Leaves a signal if the lock is free and there is none: somebody who waits should try.
    ///
    /// If it is held, whoever has it will leave one; if there is one, nobody is waiting.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the outcome is unknown.
    pub async fn signal_if_free(&self, server: &mut impl Exchange) -> Result<(), NodeError> {
        match ask::run(server, &self.both_keys(SIGNAL)).await? {
            Reply::Okay | Reply::Nil => Ok(()),
            _ => Err(ask::odd_answer(server.label())),
        }
    }

    /// Frees the lock, whoever has it, and leaves a signal, even if nobody had it.
    ///
    /// Whose it was, if anybody's.
    ///
    /// # Errors
    ///
    /// [`Trouble`] if the server did not answer, or answered that it cannot: with `WRONGTYPE` if the
    /// key is of another type. It is left as it is.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the outcome is unknown.
    pub async fn reset(&self, server: &mut impl Exchange) -> Result<Option<Token>, Trouble> {
        let answer = ask::run(server, &self.both_keys(RESET)).await?;
        survey::removed(answer).ok_or_else(|| ask::odd_answer(server.label()).into())
    }

    /// As [`list`](crate::list), for the locks of this kind: also those that never end.
    ///
    /// # Errors
    ///
    /// [`NodeError`] if the server did not answer, or answered that it cannot.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so dropping it does neither.
    pub async fn list(
        server: &mut impl Exchange,
        prefix: &str,
        from: Option<&Cursor>,
    ) -> Result<Page, NodeError> {
        let prefix = format!("{}{prefix}", Self::PREFIX);
        let page = survey::list(server, &prefix, from, Lasting::Locks).await?;
        let named = |held: Held| {
            let name = held.resource.as_str().strip_prefix(Self::PREFIX)?;
            Some(Held { resource: Resource::new(name).ok()?, ..held })
        };
        Ok(Page { held: page.held.into_iter().filter_map(named).collect(), next: page.next })
    }

    fn both_keys(&self, script: Script) -> Command<'_> {
        let lifetime = self.signal_lifetime.as_millis();
        Command::script(script, &self.lock).second_key(&self.signal).millis(lifetime)
    }
}

// Key `KEYS[1]` is the lock, `KEYS[2]` its signal; the last argument is the lifetime of the signal
// in milliseconds. They answer as the other scripts do. The lock is deleted first, so an error that
// they answer means that nothing was changed; errors after that are swallowed, because a lock must
// be given up even where nobody can be told, by a server over its memory limit for example. A
// signal that cannot be given an end is taken back.

/// Deletes the lock if it is of the token `ARGV[1]`, and leaves the signal.
const RELEASE: Script = Script::new(
    include_str!("python_lock/release.lua"),
    "d00bd3f3fcd3196b62b9e3ded680df7513d6c797",
);

/// Leaves the signal if there is neither a lock nor a signal; else answers nil.
const SIGNAL: Script =
    Script::new(include_str!("python_lock/signal.lua"), "80eed1fdb96f8b37dea55bc9d6a648901be58f25");

/// Deletes the lock, and leaves the signal in any case; answers the value and 0, or nil if there was
/// no lock.
const RESET: Script =
    Script::new(include_str!("python_lock/reset.lua"), "1157a59b2ca0ed45c930b61aef571b437d166450");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_are_those_of_the_bodies() {
        for script in [RELEASE, SIGNAL, RESET] {
            let digest = sha1_smol::Sha1::from(script.body()).digest().to_string();
            assert_eq!(digest, script.sha1(), "{}", script.body());
            assert!(!script.body().starts_with("#!"));
        }
    }

    #[test]
    fn its_keys_are_those_of_the_package() {
        let resource = Resource::new("{a}*?").unwrap();
        let lock = PythonLock::new(&resource, Ttl::MIN);
        assert_eq!(lock.lock().as_str(), "lock:{a}*?");
        assert_eq!(lock.signal().as_str(), "lock-signal:{a}*?");
    }
}
