use std::fmt;

use redlock_core::{Resource, Token};

use crate::Script;

/// One command of a lock, in words that any client library can send.
///
/// Resource and token are words of their own, never pasted into a text.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    verb: Verb,
    resource: &'a Resource,
    companion: Option<&'a Resource>,
    token: Option<&'a Token>,
    millis: Option<u64>,
}

/// One word of a [`Command`]. Its `Debug` tells the length of bytes only: they may be a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Word<'a> {
    /// As it is.
    Bytes(&'a [u8]),
    /// In decimal digits.
    Number(u64),
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Set,
    ByDigest(Script),
    ByText(Script),
}

impl<'a> Command<'a> {
    /// `SET resource token NX PX millis`: takes the resource if it is free.
    pub(crate) const fn set(resource: &'a Resource, token: &'a Token, millis: u64) -> Self {
        Self {
            verb: Verb::Set,
            resource,
            companion: None,
            token: Some(token),
            millis: Some(millis),
        }
    }

    /// `EVALSHA`: runs a script that the server should know.
    pub(crate) const fn script(script: Script, resource: &'a Resource) -> Self {
        Self { verb: Verb::ByDigest(script), resource, companion: None, token: None, millis: None }
    }

    /// With a second key, for scripts that take two.
    pub(crate) const fn companion(mut self, key: &'a Resource) -> Self {
        self.companion = Some(key);
        self
    }

    pub(crate) const fn token(mut self, token: &'a Token) -> Self {
        self.token = Some(token);
        self
    }

    pub(crate) const fn millis(mut self, millis: u64) -> Self {
        self.millis = Some(millis);
        self
    }

    /// The same with the text of the script instead of its digest.
    pub(crate) const fn by_text(mut self) -> Self {
        if let Verb::ByDigest(script) = self.verb {
            self.verb = Verb::ByText(script);
        }
        self
    }

    /// The first word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.verb {
            Verb::Set => "SET",
            Verb::ByDigest(_) => "EVALSHA",
            Verb::ByText(_) => "EVAL",
        }
    }

    /// The key that it is about, for clients that must know where a command goes: the first of two.
    #[must_use]
    pub const fn key(&self) -> &'a Resource {
        self.resource
    }

    /// The words after the first, in order.
    pub fn words(&self) -> impl Iterator<Item = Word<'a>> + use<'a> {
        let Self { verb, resource, companion, token, millis } = *self;
        let text = |text: &'static str| Word::Bytes(text.as_bytes());
        let (before, after) = match verb {
            Verb::Set => (None, [Some(text("NX")), Some(text("PX"))]),
            Verb::ByDigest(script) => (Some(text(script.sha1())), [None; 2]),
            Verb::ByText(script) => (Some(text(script.body())), [None; 2]),
        };
        let keys = before.map(|_| Word::Number(1 + u64::from(companion.is_some())));
        let key = |resource: &'a Resource| Word::Bytes(resource.as_str().as_bytes());
        let token = token.map(|token| Word::Bytes(token.as_bytes()));
        [before, keys, Some(key(resource)), companion.map(key), token]
            .into_iter()
            .chain(after)
            .chain([millis.map(Word::Number)])
            .flatten()
    }
}

impl fmt::Debug for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Number(number) => write!(f, "Number({number})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(command: Command<'_>) -> String {
        let mut words = vec![command.name().to_owned()];
        words.extend(command.words().map(|word| match word {
            Word::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Word::Number(number) => number.to_string(),
        }));
        words.join(" ")
    }

    #[test]
    fn commands_are_what_the_redis_documentation_says() {
        let (resource, token) = (Resource::new("r").unwrap(), Token::from_bytes(*b"t").unwrap());
        let set = Command::set(&resource, &token, 1500);
        assert_eq!(spoken(set), "SET r t NX PX 1500");
        assert_eq!(set.key(), &resource);

        let extend = Command::script(Script::EXTEND, &resource).token(&token).millis(7);
        assert_eq!(spoken(extend), format!("EVALSHA {} 1 r t 7", Script::EXTEND.sha1()));
        let text = Script::EXTEND.body();
        assert_eq!(spoken(extend.by_text()), format!("EVAL {text} 1 r t 7"));

        let other = Resource::new("s").unwrap();
        let two = Command::script(Script::EXTEND, &resource).companion(&other).token(&token);
        assert_eq!(spoken(two), format!("EVALSHA {} 2 r s t", Script::EXTEND.sha1()));
        assert_eq!(two.key(), &resource);

        let inspect = Command::script(Script::INSPECT, &resource);
        assert_eq!(spoken(inspect), format!("EVALSHA {} 1 r", Script::INSPECT.sha1()));
    }

    #[test]
    fn a_token_is_not_shown_whole() {
        let token = Token::from_bytes(*b"0123456789abcdef0123").unwrap();
        let resource = Resource::new("r").unwrap();
        let command = Command::set(&resource, &token, 1);
        for shown in [format!("{command:?}"), format!("{:?}", command.words().collect::<Vec<_>>())]
        {
            assert!(!shown.contains("abcdef0123"), "{shown}");
            let numbers = format!("{:?}", token.as_bytes());
            assert!(!shown.contains(&numbers), "{shown}");
        }
    }
}
