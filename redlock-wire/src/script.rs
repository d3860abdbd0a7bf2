/// A script that a node runs atomically.
///
/// Those of [a plain lock](Self::ALL) take one key, the resource, and those of
/// [several resources](Self::OF_SETS) one for each; `ARGV[1]` is the token, `ARGV[2]` of a script that
/// sets a lifetime the milliseconds. Unless it is told otherwise there, they answer
///
/// * **nil** if there is no such key,
/// * an **integer** if it belongs to another token: the milliseconds that it has left, -1 if it
///   never ends, -2 if it has just ended,
/// * **OK** if it did what it was asked,
/// * an **error** of the server, with its own code: `WRONGTYPE` if no lock made the key.
///
/// [`INSPECT`](Self::INSPECT) takes no token, and answers the value and its milliseconds where these
/// answer an integer or OK. Each of the others tells what it takes and answers.
///
/// Those of a plain lock use nothing newer than Redis 2.6.12. They write at most once, and nothing
/// after that fails, so an error means that nothing was changed. Of those of several resources
/// [`ACQUIRE_ALL`](Self::ACQUIRE_ALL) takes back what it did; the others leave what does no harm.
/// None has a `#!lua` line: with one, a server over its memory limit would refuse even to
/// release (requirement R12). Errors are caught and handed on, because older servers bury the code
/// of an error that ends a script in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Script {
    body: &'static str,
    sha1: &'static str,
}

impl Script {
    /// Tells the value of a key and how long it has left, changing nothing.
    pub const INSPECT: Self = Self {
        body: include_str!("inspect.lua"),
        sha1: "a8b2e620764e6577139d15687b49f01019106fdd",
    };

    /// Makes the lifetime at least `ARGV[2]` milliseconds if the key is this token's.
    ///
    /// Never shortens it, never creates the key (requirement R17), and leaves alone a key that
    /// never ends.
    pub const EXTEND: Self =
        Self { body: include_str!("extend.lua"), sha1: "6dfec64cd13eaf59be62f6cbcffb71a6afe721dc" };

    /// Deletes the key if it is this token's (requirement R15).
    pub const RELEASE: Self = Self {
        body: include_str!("release.lua"),
        sha1: "a9e4771e100293f460d9bb96591998424b133226",
    };

    /// The same, and tells the channel `ARGV[2]`: `ARGV[3]`, a space, and how many hear it.
    ///
    /// With subscribers that the server knows of, it answers an array of OK and their number where
    /// the others answer OK. With none, nothing is told, unless there is an `ARGV[4]`: the other
    /// servers of a cluster may have some. A server that may not count is taken to have one.
    ///
    /// Once the key is deleted nothing can fail any more (requirement R53): a user without
    /// `+publish`, without the channel, without `+pubsub|numsub`, or a server without `PUBSUB`
    /// releases all the same.
    pub const RELEASE_AND_NOTIFY: Self = Self {
        body: include_str!("release_and_notify.lua"),
        sha1: "99b00b06e359e7de1b8e413e639d2eed717b64f8",
    };

    /// Makes the key this token's if there is none, for `ARGV[2]` milliseconds; and unless `ARGV[5]`
    /// is 0, counts that in `KEYS[2]`, which it keeps for so many milliseconds longer: one more than
    /// the larger of what is there and `ARGV[4]`, or, if nothing is there, than the server's clock.
    ///
    /// Unless `ARGV[3]` is 0, sets nothing once the server's clock is past it. Unless `ARGV[6]` is 0,
    /// sets nothing in the first so many microseconds of the server's [`EPOCH`](Self::EPOCH). All
    /// clocks and counts are microseconds since 1970 or like them, exact up to 2⁵³. Needs Redis 3.2,
    /// where a script may write after it has looked at the clock.
    ///
    /// Answers an array: a word, the server's clock, the count (-1: there is none). The words are
    /// `GRANTED`; `HELD`, with the milliseconds that are left and the holder's token; `STALE`: it
    /// came too late; `QUARANTINED`, with 1 for the count if the key is this token's already, and
    /// the milliseconds for which nothing is granted. An error `NOCOUNT` tells that the counter
    /// cannot be used. The key is written last, so an error means that it has not been set.
    pub const ACQUIRE: Self = Self {
        body: concat!(include_str!("epoch.lua"), include_str!("acquire.lua")),
        sha1: "bb43db45378ae0c1f0d28c9e2df9d61e27436932",
    };

    /// How long it is known that the server has been running without forgetting: the key
    /// `KEYS[1]`, the last of every script that looks at it, has the `run_id` of the server and when
    /// that was first seen there. If it is not there or has another, the server has restarted, was
    /// emptied, or was a replica, and begins anew.
    ///
    /// Answers `GRANTED` or `QUARANTINED`, as [`ACQUIRE`](Self::ACQUIRE) does, by the microseconds
    /// `ARGV[1]`. An error `NOINFO` tells that the server does not say who it is.
    pub const EPOCH: Self = Self {
        body: concat!(include_str!("epoch.lua"), include_str!("check.lua")),
        sha1: "edc0a376110e3b5269d2e96651b2b24f7258fa0d",
    };

    /// Makes the counter `KEYS[2]` at least `ARGV[2]` if the key is this token's, keeps it for
    /// `ARGV[3]` milliseconds, and answers `GRANTED`, the server's clock, and the count.
    pub const RAISE: Self =
        Self { body: include_str!("raise.lua"), sha1: "3c4fddef304da43f10bbd6ebd7476e425549affc" };

    /// Tells the clock of the server that has this key, as `TIME` does.
    pub const CLOCK: Self =
        Self { body: include_str!("clock.lua"), sha1: "0c1e3e123ee8e410a7b7fb8a7459e5a26cd8eb85" };

    /// Makes every key this token's, for `ARGV[2]` milliseconds, or none: keys that are this token's
    /// already stay as they are, and one that is another's leaves all as they are.
    ///
    /// Answers OK, or an array of the value and the milliseconds of the first that is another's.
    pub const ACQUIRE_ALL: Self = Self {
        body: include_str!("acquire_all.lua"),
        sha1: "3346c42fdf9b04cb5b3e302c2c1256aae27bfb20",
    };

    /// Does what [`EXTEND`](Self::EXTEND) does for every key, if all are this token's; else answers
    /// for one that is not, and changes nothing.
    pub const EXTEND_ALL: Self = Self {
        body: include_str!("extend_all.lua"),
        sha1: "d78362818f1135a05af31114b7666d83c5994913",
    };

    /// Deletes every key that is this token's, and answers OK if that was all of them, or an array of
    /// OK and a number if that many were told; else as the others do, for one that was not.
    ///
    /// With an `ARGV[2]` it tells that, a space, and how many hear it, to the channel of each key
    /// that it has deleted, from `ARGV[4]` on in the order of the keys; with none to hear it only
    /// if `ARGV[3]` is 1. The number is how many there are in all. As with
    /// [`RELEASE_AND_NOTIFY`](Self::RELEASE_AND_NOTIFY), nobody's being told is no failure.
    ///
    /// An error tells that a key could not be looked at or deleted; the others have been.
    pub const RELEASE_ALL: Self = Self {
        body: include_str!("release_all.lua"),
        sha1: "9e7fea3af33e55a8ff85333966565deca1e71e7a",
    };

    /// A page of `SCAN` over keys of the pattern `ARGV[1]` from the cursor `ARGV[2]`, `ARGV[3]` keys or
    /// a few more: an array of the next cursor, and name, value and milliseconds of each that is a
    /// string of at most `ARGV[4]` bytes and ends by itself, or, if `ARGV[5]` is 1, does not.
    ///
    /// Takes no key, because it is told which there are. So a server of a cluster runs it whatever
    /// it is, and an error tells that it has keys of the pattern that it may not read: `READONLY` if
    /// they are those of its master, or lie in a slot that is just being moved to it, and
    /// `CLUSTERDOWN` if the cluster is down. Passed over, they would be missed in silence.
    pub const LIST: Self =
        Self { body: include_str!("list.lua"), sha1: "d4e12632fe6fd354679912cdf228b484d43e20f6" };

    /// Deletes the key, whosever it is, tells the channel `ARGV[1]` as
    /// [`RELEASE_AND_NOTIFY`](Self::RELEASE_AND_NOTIFY) does with the word `ARGV[2]` and, if it is
    /// there, `ARGV[3]`, and answers with the value and the number of subscribers.
    pub const RESET: Self =
        Self { body: include_str!("reset.lua"), sha1: "87349720e603f48b2cda986c8754db9fc5f8be54" };

    /// Sets the key to `ARGV[1]` if there is none, without an end, and answers what is there now, and
    /// a 0. Sent when it is first needed.
    pub const AGREE: Self =
        Self { body: include_str!("agree.lua"), sha1: "f804e985508d280d537df398a7e35a60c90c4562" };

    /// Those for who operates locks, sent when they are first needed.
    pub const OPERATING: [Self; 2] = [Self::LIST, Self::RESET];

    /// Every script that a lock needs, to load when a connection is made. Those of
    /// [`COUNTING`](Self::COUNTING) and [`OF_SETS`](Self::OF_SETS) are sent when they are first
    /// needed.
    pub const ALL: [Self; 4] =
        [Self::INSPECT, Self::EXTEND, Self::RELEASE, Self::RELEASE_AND_NOTIFY];

    /// Those that it takes to count, and to keep a quarantine.
    pub const COUNTING: [Self; 4] = [Self::ACQUIRE, Self::RAISE, Self::CLOCK, Self::EPOCH];

    /// Those that take several keys, all of them resources.
    pub const OF_SETS: [Self; 3] = [Self::ACQUIRE_ALL, Self::EXTEND_ALL, Self::RELEASE_ALL];

    pub(crate) const fn new(body: &'static str, sha1: &'static str) -> Self {
        Self { body, sha1 }
    }

    /// What `EVAL` and `SCRIPT LOAD` take.
    #[must_use]
    pub const fn body(&self) -> &'static str {
        self.body
    }

    /// What `EVALSHA` takes: the SHA-1 of the body in lower-case hexadecimal digits.
    #[must_use]
    pub const fn sha1(&self) -> &'static str {
        self.sha1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_are_those_of_the_bodies() {
        let scripts = [
            &Script::ALL[..],
            &Script::COUNTING,
            &Script::OF_SETS,
            &Script::OPERATING,
            &[Script::AGREE],
        ];
        for script in scripts.into_iter().flatten() {
            let digest = sha1_smol::Sha1::from(script.body()).digest().to_string();
            assert_eq!(digest, script.sha1(), "{}", script.body());
        }
    }

    #[test]
    fn no_script_has_a_shebang() {
        let scripts = [
            &Script::ALL[..],
            &Script::COUNTING,
            &Script::OF_SETS,
            &Script::OPERATING,
            &[Script::AGREE],
        ];
        for script in scripts.into_iter().flatten() {
            assert!(!script.body().starts_with("#!"));
        }
    }
}
