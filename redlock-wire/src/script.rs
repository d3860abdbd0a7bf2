/// A script that a node runs atomically: key `KEYS[1]`, token `ARGV[1]`, milliseconds `ARGV[2]`.
///
/// Each takes one key, the resource, and answers
///
/// * **nil** if there is no such key,
/// * an **integer** if it belongs to another token: the milliseconds that it has left, -1 if it
///   never ends, -2 if it has just ended,
/// * **OK** if it did what it was asked,
/// * an **error** of the server, with its own code: `WRONGTYPE` if no lock made the key.
///
/// [`INSPECT`](Self::INSPECT) alone takes no token, and answers the value and its milliseconds
/// where the others answer an integer or OK.
///
/// They use nothing newer than Redis 2.6.12. They write at most once, and nothing after that fails, so an
/// error means that nothing was changed. They have no `#!lua` line: with one, a server over its
/// memory limit would refuse even to release (requirement R12). Errors are caught and handed on,
/// because older servers bury the code of an error that ends a script in a text.
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
    /// Where the others answer OK it answers an array of that word and the number of subscribers
    /// that the server knows of. With none, nothing is told, unless there is an `ARGV[4]`: the
    /// other servers of a cluster may have some. A server that may not count is taken to have one.
    ///
    /// Once the key is deleted nothing can fail any more (requirement R53): a user without
    /// `+publish`, without the channel, without `+pubsub|numsub`, or a server without `PUBSUB`
    /// releases all the same.
    pub const RELEASE_AND_NOTIFY: Self = Self {
        body: include_str!("release_and_notify.lua"),
        sha1: "86f2774e812ead9ea6dea7592e72342fc1c8ab76",
    };

    /// Every script there is, to load when a connection is made.
    pub const ALL: [Self; 4] =
        [Self::INSPECT, Self::EXTEND, Self::RELEASE, Self::RELEASE_AND_NOTIFY];

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
        for script in Script::ALL {
            let digest = sha1_smol::Sha1::from(script.body()).digest().to_string();
            assert_eq!(digest, script.sha1(), "{}", script.body());
        }
    }

    #[test]
    fn no_script_has_a_shebang() {
        for script in Script::ALL {
            assert!(!script.body().starts_with("#!"));
        }
    }
}
