//! Values in a cache on a server: [`cache_key`], [`read_cached`] and [`write_cached`].

use std::time::Duration;

use redlock_core::{Age, CacheError, Cached, Freshness, NodeError, Resource};

use crate::{
    Command, Exchange, Reply,
    ask::{Found, look, odd_answer},
};

/// Where a server keeps the value of this key of a cache: `redlocks:cache:{key}`, the key put in as
/// it is.
///
/// So two keys never share one, no lock and nothing that belongs to one has such a name unless
/// somebody locks a resource that begins like this, and a hash tag in the key stays what decides
/// about its slot in a cluster.
#[must_use]
pub fn cache_key(key: &str) -> Resource {
    Resource::new(format!("redlocks:cache:{key}")).expect("it is not empty: it has a beginning")
}

/// The value that a server has under such a key, read with its age in one atomic step.
///
/// What is there and was not written by [`write_cached`] counts as nothing.
///
/// # Errors
///
/// [`CacheError`] if the server did not answer, or answered that it cannot.
///
/// # Cancel safety
///
/// Changes nothing, so dropping it does neither.
pub async fn read_cached(
    server: &mut impl Exchange,
    key: &Resource,
) -> Result<Option<Cached>, CacheError> {
    match look(server, key).await {
        Ok(Found::Nothing) => Ok(None),
        Ok(Found::Value(stored, left)) => Ok(opened(stored, left)),
        Err(trouble) => Err(CacheError::new(NodeError::from(trouble))),
    }
}

/// Keeps a value under such a key, for these lifetimes by the server's clock, whatever was there
/// before: one plain `SET`.
///
/// # Errors
///
/// [`CacheError`] if the server did not answer, or answered that it cannot.
///
/// # Cancel safety
///
/// Dropped, the outcome is unknown.
pub async fn write_cached(
    server: &mut impl Exchange,
    key: &Resource,
    value: &[u8],
    freshness: Freshness,
) -> Result<(), CacheError> {
    let stale = millis(freshness.stale_for());
    let stored = sealed(value, stale);
    let kept = millis(freshness.fresh_for()).saturating_add(stale);
    match server.send(Command::put(key, &stored, kept)).await {
        Ok(Reply::Okay) => Ok(()),
        Ok(_) => Err(CacheError::new(odd_answer(server.label()))),
        Err(trouble) => Err(CacheError::new(NodeError::from(trouble))),
    }
}

/// The server counts down to the end of the value; what it has to be told besides is for how many
/// milliseconds before that it is stale: in digits, before the first line break.
fn sealed(value: &[u8], stale: u64) -> Vec<u8> {
    let mut stored = format!("{stale}\n").into_bytes();
    stored.extend_from_slice(value);
    stored
}

fn opened(mut stored: Vec<u8>, left: i64) -> Option<Cached> {
    let end = stored.iter().position(|byte| *byte == b'\n')?;
    let digits = stored.get(..end)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let stale: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let value = stored.split_off(end + 1);
    // Negative is for ever, which is not how it was written: to be replaced.
    let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
    Some(Cached { value, age: Age::of(left, Duration::from_millis(stale)) })
}

/// Rounded up, so that nothing is over before the time that was asked for.
fn millis(lifetime: Duration) -> u64 {
    u64::try_from(lifetime.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened() {
        let values: [&[u8]; 4] = [b"", b"value", b"\n1\n", b"\0\xff"];
        for value in values {
            for (left, stale, age) in [
                (11, 10, Age::Fresh),
                (10, 10, Age::Stale),
                (1, 0, Age::Fresh),
                (0, 0, Age::Stale),
                (-1, 0, Age::Stale),
                (i64::MAX, u64::MAX, Age::Stale),
            ] {
                let opened = opened(sealed(value, stale), left);
                assert_eq!(opened, Some(Cached { value: value.to_vec(), age }), "{left} {stale}");
            }
        }
    }

    #[test]
    fn what_somebody_else_has_written_is_nothing() {
        for stored in ["", "value", "a\nvalue", "+1\nvalue", "18446744073709551616\nv", "\nv"] {
            assert_eq!(opened(stored.as_bytes().to_vec(), 100), None, "{stored:?}");
        }
    }

    #[test]
    fn lifetimes_are_rounded_up() {
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_millis(7)), 7);
        assert_eq!(millis(Duration::ZERO), 0);
    }

    #[test]
    fn a_key_is_put_in_as_it_is() {
        for (key, expected) in [
            ("rates", "redlocks:cache:rates"),
            ("", "redlocks:cache:"),
            ("{a}b", "redlocks:cache:{a}b"),
        ] {
            assert_eq!(cache_key(key).as_str(), expected);
        }
    }
}
