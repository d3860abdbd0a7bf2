use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::{ConfigError, Owner};

/// The proof of ownership: what a holder shows to extend or release.
///
/// Every attempt has a token of its own ([`Token::from_random`]): reused over attempts, a late
/// release of an earlier attempt would delete the votes of a later one (requirement R14). Whoever
/// knows a token can release its lock, so `Debug` shows only its beginning.
///
/// It may carry a word on who has it, the [`Owner`]: `<40 digits>@<owner>`.
#[derive(Clone)]
pub struct Token(Bytes);

/// A token of ours has its bytes in it, so that an attempt need not ask for memory to have one, nor
/// count who has it. Which of the two a token is says nothing: those of the same bytes are equal.
#[derive(Clone)]
enum Bytes {
    Here([u8; 2 * Token::RANDOM_BYTES]),
    Elsewhere(Arc<[u8]>),
}

impl Token {
    /// How many random bytes a token is made of: 160 bits, as in the Redis documentation.
    pub const RANDOM_BYTES: usize = 20;

    /// The token made of these random bytes, written as 40 lower-case hexadecimal digits.
    ///
    /// Text, not raw bytes, so that it survives a shell, a log search and clients that decode
    /// every value.
    #[must_use]
    pub fn from_random(random: [u8; Self::RANDOM_BYTES]) -> Self {
        let mut text = [0; 2 * Self::RANDOM_BYTES];
        for (pair, byte) in text.chunks_exact_mut(2).zip(random) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        Self(Bytes::Here(text))
    }

    /// A token from elsewhere: another process, another client, the user.
    ///
    /// # Errors
    ///
    /// [`ConfigError::EmptyToken`] if there are no bytes in it.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Self, ConfigError> {
        let bytes = bytes.into();
        if bytes.is_empty() {
            Err(ConfigError::EmptyToken)
        } else {
            Ok(Self(Bytes::Elsewhere(bytes)))
        }
    }

    /// This token with a word on who has it, which whoever looks at the lock can
    /// [read](Self::owner). It is still as random as it was.
    ///
    /// To be called on a token made [from random bytes](Self::from_random): of another, nobody
    /// would know where it ends and the owner begins.
    #[must_use]
    pub fn owned_by(&self, owner: &Owner) -> Self {
        let bytes = [self.as_bytes(), &[AT], owner.as_str().as_bytes()].concat();
        Self(Bytes::Elsewhere(Arc::from(bytes)))
    }

    /// The word on who has it, if there is one: none in tokens that other clients made, unless they
    /// are made in the same way.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        let (random, rest) = self.as_bytes().split_at_checked(2 * Self::RANDOM_BYTES)?;
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match rest {
            [AT, owner @ ..] if random.iter().all(is_digit) && Owner::fits(owner) => {
                std::str::from_utf8(owner).ok()
            }
            _ => None,
        }
    }

    /// The bytes that nodes store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Here(bytes) => bytes,
            Bytes::Elsewhere(bytes) => bytes,
        }
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Token {}

impl PartialOrd for Token {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Token {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // At most a quarter of the token, so that even a short one stays secret.
        let bytes = self.as_bytes();
        let shown = (bytes.len() / 4).min(6);
        write!(f, "Token({}…", bytes.get(..shown).unwrap_or_default().escape_ascii())?;
        match self.owner() {
            Some(owner) => write!(f, " of {owner})"),
            None => f.write_str(")"),
        }
    }
}

/// What parts the random digits from the owner.
const AT: u8 = b'@';

/// The hexadecimal digit of a number below 16.
const fn digit(nibble: u8) -> u8 {
    match nibble {
        0..10 => b'0'.wrapping_add(nibble),
        _ => (b'a' - 10).wrapping_add(nibble),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_become_forty_digits() {
        let mut random = [0; Token::RANDOM_BYTES];
        random[0] = 0x0f;
        random[19] = 0xa7;
        let token = Token::from_random(random);
        assert_eq!(token.as_bytes(), b"0f000000000000000000000000000000000000a7");
    }

    #[test]
    fn debug_never_shows_the_whole_token() {
        let token = Token::from_random([0xab; Token::RANDOM_BYTES]);
        assert_eq!(format!("{token:?}"), "Token(ababab…)");
        assert_eq!(format!("{:?}", Token::from_bytes(*b"abc").unwrap()), "Token(…)");
        assert_eq!(
            format!("{:?}", Token::from_bytes(*b"\0\xffsecret").unwrap()),
            "Token(\\x00\\xff…)"
        );
    }

    #[test]
    fn an_owner_rides_behind_the_random_part() {
        let bare = Token::from_random([0xab; Token::RANDOM_BYTES]);
        assert_eq!(bare.owner(), None);
        for name in ["h", "host/1/backup", "me@host"] {
            let token = bare.owned_by(&Owner::new(name).unwrap());
            let expected = format!("{}@{name}", "ab".repeat(20));
            assert_eq!(token.as_bytes(), expected.as_bytes());
            assert_eq!(token.owner(), Some(name));
            assert_eq!(format!("{token:?}"), format!("Token(ababab… of {name})"));
        }
    }

    #[test]
    fn tokens_of_others_have_no_owner() {
        let digits = "0".repeat(40);
        for text in [
            "x@host".to_owned(),
            format!("{digits}@"),
            format!("{digits}host"),
            format!("{digits}@a b"),
            format!("{digits}@{}", "x".repeat(129)),
            format!("{}@host", "A".repeat(40)),
            format!("0{digits}@host"),
            format!("{}@host", "0".repeat(39)),
        ] {
            let token = Token::from_bytes(text.as_bytes()).unwrap();
            assert_eq!(token.owner(), None, "{text}");
        }
        let token = Token::from_bytes([digits.as_bytes(), b"@\xff"].concat()).unwrap();
        assert_eq!(token.owner(), None);
    }

    #[test]
    fn a_token_is_its_bytes_wherever_it_keeps_them() {
        let hash = |token: &Token| {
            let mut hasher = fnv::FnvHasher::default();
            token.hash(&mut hasher);
            hasher.finish()
        };
        let ours = Token::from_random([0xab; Token::RANDOM_BYTES]);
        let told = Token::from_bytes(ours.as_bytes()).unwrap();
        assert_eq!(ours, told);
        assert_eq!(hash(&ours), hash(&told));
        assert_eq!(ours.cmp(&told), Ordering::Equal);
        let larger = Token::from_bytes(*b"b").unwrap();
        assert!(ours < larger && told < larger);
        assert_ne!(ours, larger);
    }

    #[test]
    fn an_empty_token_is_refused() {
        assert_eq!(Token::from_bytes([]), Err(ConfigError::EmptyToken));
    }
}
