use std::{fmt, sync::Arc};

use super::ConfigError;

/// A word on who has a lock, for people who look at it: host, process, purpose.
///
/// It rides in the [`Token`](super::Token), so it costs neither a key nor a command, and other
/// clients see a value like any other. It proves nothing, and everybody who can read the key can
/// read it: no secrets.
///
/// 1 to [`Owner::MAX_BYTES`] visible ASCII characters, so that a token survives a shell, a log line
/// and a table.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Owner(Arc<str>);

impl Owner {
    /// The longest there may be.
    pub const MAX_BYTES: usize = 128;

    /// The owner of this name.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OwnerLength`] or [`ConfigError::OwnerCharacter`] if it cannot be one.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, ConfigError> {
        let name = name.into();
        if name.is_empty() || name.len() > Self::MAX_BYTES {
            return Err(ConfigError::OwnerLength { given: name.len(), most: Self::MAX_BYTES });
        }
        match name.chars().find(|character| !character.is_ascii_graphic()) {
            Some(character) => Err(ConfigError::OwnerCharacter { character }),
            None => Ok(Self(name)),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this could be one.
    pub(super) fn fits(name: &[u8]) -> bool {
        !name.is_empty() && name.len() <= Self::MAX_BYTES && name.iter().all(u8::is_ascii_graphic)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<&str> for Owner {
    type Error = ConfigError;

    fn try_from(name: &str) -> Result<Self, ConfigError> {
        Self::new(name)
    }
}

impl TryFrom<String> for Owner {
    type Error = ConfigError;

    fn try_from(name: String) -> Result<Self, ConfigError> {
        Self::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_visible_and_short() {
        let longest = "x".repeat(128);
        for name in ["h", "host-1/4711/nightly", "me@host", "{}~!", &longest] {
            assert_eq!(Owner::new(name).unwrap().as_str(), name);
            assert!(Owner::fits(name.as_bytes()));
        }
        for name in ["", &"x".repeat(129)] {
            let expected = ConfigError::OwnerLength { given: name.len(), most: 128 };
            assert_eq!(Owner::new(name), Err(expected));
            assert!(!Owner::fits(name.as_bytes()));
        }
        for (name, character) in [("a b", ' '), ("a\n", '\n'), ("\u{7f}", '\u{7f}'), ("é", 'é')] {
            assert_eq!(Owner::new(name), Err(ConfigError::OwnerCharacter { character }));
            assert!(!Owner::fits(name.as_bytes()));
        }
    }
}
