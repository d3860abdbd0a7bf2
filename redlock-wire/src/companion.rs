use redlock_core::Resource;

/// The name of something that belongs to a resource, in the same slot of a cluster: a channel, or
/// a second key of a script.
///
/// `kind` says what it is, in letters and colons. Two resources never share such a name, and
/// neither do two kinds. A resource that has a hash tag keeps it (`{a}b` → `kind={a}b`); any other
/// becomes one (`ab` → `kind:{ab}`). A name that is no tag and cannot become one, because it has a
/// `}`, gets a tag beside it whose slot is the same (`a}b` → `kind#{BFBI}a}b`).
#[must_use]
pub fn companion(kind: &str, resource: &Resource) -> String {
    let mut companion = String::with_capacity(kind.len() + resource.as_str().len() + LONGEST_TAG);
    say_companion(kind, resource, |part| companion.push_str(part));
    companion
}

/// Says it in parts, for whoever has a place of his own for it.
pub(crate) fn say_companion(kind: &str, resource: &Resource, mut say: impl FnMut(&str)) {
    debug_assert!(!kind.contains(['{', '}', '=', '#']), "a kind is letters and colons");
    let name = resource.as_str();
    say(kind);
    if !name.contains('}') {
        say(":{");
        say(name);
        say("}");
        return;
    }
    if tag(name).is_some() {
        say("=");
    } else {
        say("#{");
        for letter in tag_in(slot(name)) {
            say(char::from(letter).encode_utf8(&mut [0; 4]));
        }
        say("}");
    }
    say(name);
}

/// How much longer than a name and the kind a companion may be.
const LONGEST_TAG: usize = "#{ABCD}".len();

/// The part of a key that its slot is computed from, where that is not all of it: what is between
/// its first `{` and the first `}` after that, unless that is nothing.
fn tag(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once('{')?;
    let (tag, _) = rest.split_once('}')?;
    (!tag.is_empty()).then_some(tag)
}

/// The slot of a key in a cluster.
pub(crate) fn slot(key: &str) -> u16 {
    crc(tag(key).unwrap_or(key).as_bytes()) % SLOTS
}

/// The first of the tags with this slot. A test finds one for each.
fn tag_in(slot: u16) -> [u8; 4] {
    let mut tags = (0..=u16::MAX).map(nibbles);
    tags.find(|tag| crc(tag) % SLOTS == slot).unwrap_or(nibbles(0))
}

/// 16 bits as four characters from `@` to `O`, which has every slot among the tags: a checksum of
/// this kind adds up from those of the single bits, as it would not for digits.
fn nibbles(bits: u16) -> [u8; 4] {
    let [high, low] = bits.to_be_bytes();
    [high >> 4, high & 15, low >> 4, low & 15].map(|nibble| b'@' | nibble)
}

fn crc(bytes: &[u8]) -> u16 {
    let step = |crc: u16, byte: &u8| (crc << 8) ^ CRC[usize::from((crc >> 8) ^ u16::from(*byte))];
    bytes.iter().fold(0, step)
}

/// As the specification of Redis Cluster says: CRC-16 with the polynomial 0x1021.
const CRC: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

const SLOTS: u16 = 16_384;

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    /// Names made of what matters to hash tags, up to a length.
    fn names(length: usize) -> Vec<String> {
        let mut names = vec![String::new()];
        let mut begin = 0;
        for _ in 0..length {
            let end = names.len();
            for index in begin..end {
                for more in ["{", "}", "a", ":", "=", "#", "*"] {
                    names.push(format!("{}{more}", names[index]));
                }
            }
            begin = end;
        }
        names.remove(0);
        names
    }

    fn resource(name: &str) -> Resource {
        Resource::new(name).unwrap()
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        // Its test vector of the checksum, and what servers answer to CLUSTER KEYSLOT.
        assert_eq!(slot("123456789"), 0x31C3);
        for (key, expected) in
            [("foo", 12182), ("{foo}bar", 12182), ("a{}b", 13694), ("}{a}", 15495)]
        {
            assert_eq!(slot(key), expected, "{key}");
        }
    }

    #[test]
    fn a_companion_is_in_the_slot_of_its_resource_and_nobody_else_has_it() {
        let mut owners = HashMap::new();
        for name in names(4) {
            for kind in ["k", "k:k"] {
                let companion = companion(kind, &resource(&name));
                assert_eq!(slot(&companion), slot(&name), "{name} → {companion}");
                let before = owners.insert(companion, (kind, name.clone()));
                assert_eq!(before, None, "{kind} {name}");
            }
        }
    }

    #[test]
    fn names_stay_readable() {
        for (name, expected) in [
            ("orders", "k:{orders}"),
            ("user:{42}:mail", "k=user:{42}:mail"),
            ("a{b", "k:{a{b}"),
            ("a}b", "k#{BFBI}a}b"),
        ] {
            assert_eq!(companion("k", &resource(name)), expected);
        }
    }

    #[test]
    fn every_slot_has_a_tag() {
        let seen: HashSet<_> = (0..=u16::MAX).map(|bits| crc(&nibbles(bits)) % SLOTS).collect();
        assert_eq!(seen.len(), usize::from(SLOTS));
    }
}
