//! Where releases are told, and in what words: [`Channel`], [`message`] and [`heard`].

use std::{fmt, sync::Arc};

use redlock_core::{Fingerprint, Notice, Resource};
use smallvec::SmallVec;

use crate::{companion, companion::say_companion};

/// The channel on which the releases of a resource are told.
///
/// No two resources share one, whatever characters they are made of, as long as it is subscribed
/// to by name (`SUBSCRIBE`, never `PSUBSCRIBE`). All channels begin with `redlocks:`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Channel(Arc<str>);

impl Channel {
    /// The channel of this resource.
    #[must_use]
    pub fn of(resource: &Resource) -> Self {
        Self(companion(KIND, resource).into())
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({:?})", &*self.0)
    }
}

/// So that a map of channels can be asked by what comes from a server.
impl std::borrow::Borrow<str> for Channel {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The name of the [`Channel`] of a resource, for the one command that it is said in: as mostly it is
/// short, it needs no memory of its own.
pub(crate) fn name_of_channel(resource: &Resource) -> SmallVec<[u8; USUAL]> {
    let mut name = SmallVec::new();
    say_companion(KIND, resource, |part| name.extend_from_slice(part.as_bytes()));
    name
}

const KIND: &str = "redlocks:released";

/// So long are the names of most channels.
const USUAL: usize = 64;

/// The first word of a message: who gave the resource up, in hexadecimal digits.
pub(crate) fn teller(holder: Fingerprint) -> [u8; 16] {
    let digit = |place: usize| (holder.bits() >> (60 - 4 * place)) as usize & 15;
    std::array::from_fn(|place| b"0123456789abcdef"[digit(place)])
}

/// The message that tells only that the resource may be free: nobody is named, and how many hear it
/// is not known.
pub(crate) const ANYBODY: &[u8] = b"- 1";

/// The first word of a message that names nobody.
pub(crate) const NOBODY: &[u8] = b"-";

/// What a message says: the fingerprint of the holder in 16 hexadecimal digits or `-`, a space, and
/// how many were told. Anything else tells that there was something to tell, and no more.
pub(crate) fn heard(message: &[u8]) -> Notice {
    parse(message).unwrap_or(Notice { holder: None, listeners: 1 })
}

fn parse(message: &[u8]) -> Option<Notice> {
    let (holder, listeners) = std::str::from_utf8(message).ok()?.split_once(' ')?;
    let holder = match holder {
        "-" => None,
        digits if digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            Some(Fingerprint::new(u64::from_str_radix(digits, 16).ok()?))
        }
        _ => return None,
    };
    let listeners = listeners.parse::<u64>().ok()?.max(1);
    Some(Notice { holder, listeners: u32::try_from(listeners).unwrap_or(u32::MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard() {
        for bits in [0, 1, 0xaf63_dc4c_8601_ec8c, u64::MAX] {
            let holder = Fingerprint::new(bits);
            let teller = teller(holder);
            assert_eq!(teller.as_slice(), format!("{bits:016x}").as_bytes());
            let notice = heard(&[&teller, b" 7".as_slice()].concat());
            assert_eq!(notice, Notice { holder: Some(holder), listeners: 7 });
        }
        assert_eq!(heard(ANYBODY), Notice { holder: None, listeners: 1 });
    }

    #[test]
    fn odd_messages_are_hints_all_the_same() {
        let odd: [&[u8]; 9] = [
            b"",
            b" ",
            b"0000000000000001",
            b"0000000000000001 ",
            b"0000000000000001 x",
            b"0000000000000001 -3",
            b"+000000000000001 3",
            b"00000000000000001 3",
            b"\xff\xfe 3",
        ];
        for message in odd {
            assert_eq!(heard(message), Notice { holder: None, listeners: 1 }, "{message:?}");
        }
        let holder = Some(Fingerprint::new(1));
        for (count, listeners) in [("0", 1), ("4294967296", u32::MAX)] {
            let message = format!("0000000000000001 {count}");
            assert_eq!(heard(message.as_bytes()), Notice { holder, listeners });
        }
    }

    #[test]
    fn a_channel_begins_in_the_way_that_permissions_are_written_for() {
        for name in ["orders", "{a}b", "}{*?[x]"] {
            let channel = Channel::of(&Resource::new(name).unwrap());
            assert!(channel.as_str().starts_with("redlocks:"), "{channel:?}");
        }
    }
}
