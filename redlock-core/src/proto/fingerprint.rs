use std::{fmt, hash::Hasher};

use fnv::FnvHasher;

use super::Token;

/// What tells one token from another without being one: 64 bits, the same in every process.
///
/// It proves nothing and opens nothing, so refusals and notices may carry it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of the token with these bytes.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        let mut hasher = FnvHasher::default();
        hasher.write(token);
        Self(hasher.finish())
    }

    /// The fingerprint of this number.
    #[must_use]
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// The number.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }
}

impl Token {
    /// What others may know of this token: its hash (FNV-1a, 64 bits).
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.as_bytes())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({:016x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_hash_so_that_processes_agree() {
        // The test vectors of the authors of FNV.
        assert_eq!(Fingerprint::of(b"a").bits(), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Fingerprint::of(b"foobar").bits(), 0x8594_4171_f739_67e8);
        let token = Token::from_bytes(*b"foobar").unwrap();
        assert_eq!(token.fingerprint(), Fingerprint::new(0x8594_4171_f739_67e8));
        assert_eq!(format!("{:?}", Fingerprint::new(0xa)), "Fingerprint(000000000000000a)");
    }
}
