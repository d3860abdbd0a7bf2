mod words;

use std::fmt;

use redlock_core::{Resource, ResourceSet, Token};

pub use words::Word;

use crate::{Channel, Script};

/// One command of a lock, in words that any client library can send.
///
/// Resource and token are words of their own, never pasted into a text.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    verb: Verb,
    resource: &'a Resource,
    more_keys: [Option<&'a Resource>; 2],
    /// The resources after the first.
    others: &'a [Resource],
    token: Option<&'a Token>,
    /// What is stored that is no token.
    value: Option<Word<'a>>,
    millis: Option<u64>,
    numbers: &'a [u64],
    telling: Option<Telling<'a>>,
    telling_each: Option<TellingEach<'a>>,
}

/// What is told to those who wait.
#[derive(Clone, Copy)]
struct Telling<'a> {
    channel: &'a [u8],
    message: &'a [u8],
    always: bool,
}

/// What is told to those who wait for any of several resources.
#[derive(Clone, Copy)]
struct TellingEach<'a> {
    /// In the order of the resources.
    channels: &'a [Channel],
    message: &'a [u8],
    always: bool,
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Set,
    Put,
    Publish,
    Wait,
    WaitAof,
    ByDigest(Script),
    ByText(Script),
    PageByDigest(Script),
    PageByText(Script),
}

impl<'a> Command<'a> {
    /// `SET resource token NX PX millis`: takes the resource if it is free.
    pub(crate) const fn set(resource: &'a Resource, token: &'a Token, millis: u64) -> Self {
        Self { token: Some(token), millis: Some(millis), ..Self::new(Verb::Set, resource) }
    }

    /// `SET key value PX millis`: puts the value there, whatever was there before.
    pub(crate) const fn put(key: &'a Resource, value: &'a [u8], millis: u64) -> Self {
        let value = Some(Word::Bytes(value));
        Self { value, millis: Some(millis), ..Self::new(Verb::Put, key) }
    }

    /// `EVALSHA`: runs a script that the server should know.
    pub(crate) const fn script(script: Script, resource: &'a Resource) -> Self {
        Self::new(Verb::ByDigest(script), resource)
    }

    /// The same with several resources for its keys.
    pub(crate) fn script_for_all(script: Script, resources: &'a ResourceSet) -> Self {
        let others = resources.as_slice().get(1..).unwrap_or_default();
        Self { others, ..Self::script(script, resources.first()) }
    }

    /// `EVALSHA`: runs a script without keys, for what there is by this pattern.
    pub(crate) const fn page(script: Script, pattern: &'a Resource, numbers: &'a [u64]) -> Self {
        Self::new(Verb::PageByDigest(script), pattern).numbers(numbers)
    }

    /// `PUBLISH channel message`: tells those who wait for a resource, whose channel it must be.
    pub(crate) const fn publish(
        resource: &'a Resource,
        channel: &'a [u8],
        message: &'a [u8],
    ) -> Self {
        Self::new(Verb::Publish, resource).telling(channel, message, false)
    }

    /// `WAIT replicas millis`: answers when so many replicas have what was sent before.
    pub(crate) const fn wait(resource: &'a Resource, numbers: &'a [u64; 2]) -> Self {
        Self::new(Verb::Wait, resource).numbers(numbers)
    }

    /// `WAITAOF local replicas millis`: answers when so many have it on their disks.
    pub(crate) const fn wait_aof(resource: &'a Resource, numbers: &'a [u64; 3]) -> Self {
        Self::new(Verb::WaitAof, resource).numbers(numbers)
    }

    /// Whether it may change something that a lock leans on.
    pub(crate) fn takes_or_keeps(&self) -> bool {
        match self.verb {
            Verb::Set => true,
            Verb::ByDigest(script) | Verb::ByText(script) => {
                let does = [Script::ACQUIRE, Script::RAISE, Script::EXTEND];
                does.contains(&script)
                    || [Script::ACQUIRE_ALL, Script::EXTEND_ALL].contains(&script)
            }
            Verb::Put
            | Verb::Publish
            | Verb::Wait
            | Verb::WaitAof
            | Verb::PageByDigest(_)
            | Verb::PageByText(_) => false,
        }
    }

    /// Whether a server is no longer busy with it than with any other, so that the answers of several
    /// may well come together. It looks at many keys otherwise, or waits for other servers.
    #[must_use]
    pub const fn is_quick(&self) -> bool {
        match self.verb {
            Verb::Set | Verb::Put | Verb::Publish | Verb::ByDigest(_) | Verb::ByText(_) => true,
            Verb::Wait | Verb::WaitAof | Verb::PageByDigest(_) | Verb::PageByText(_) => false,
        }
    }

    const fn new(verb: Verb, resource: &'a Resource) -> Self {
        Self {
            verb,
            resource,
            more_keys: [None; 2],
            others: &[],
            token: None,
            value: None,
            millis: None,
            numbers: &[],
            telling: None,
            telling_each: None,
        }
    }

    /// With a second key, for scripts that take two.
    pub(crate) const fn second_key(self, key: &'a Resource) -> Self {
        self.more_keys([Some(key), None])
    }

    /// With these keys after the first.
    pub(crate) const fn more_keys(mut self, keys: [Option<&'a Resource>; 2]) -> Self {
        self.more_keys = keys;
        self
    }

    pub(crate) const fn token(mut self, token: &'a Token) -> Self {
        self.token = Some(token);
        self
    }

    /// With what a script stores that is no token.
    pub(crate) const fn value(mut self, value: &'a [u8]) -> Self {
        self.value = Some(Word::Bytes(value));
        self
    }

    pub(crate) const fn millis(mut self, millis: u64) -> Self {
        self.millis = Some(millis);
        self
    }

    /// With more numbers, after the others.
    pub(crate) const fn numbers(mut self, numbers: &'a [u64]) -> Self {
        self.numbers = numbers;
        self
    }

    /// With what a script tells; even where nobody is known to listen, if `always`.
    pub(crate) const fn telling(
        mut self,
        channel: &'a [u8],
        message: &'a [u8],
        always: bool,
    ) -> Self {
        self.telling = Some(Telling { channel, message, always });
        self
    }

    /// With what a script tells on the channels of its resources, in their order; even where nobody
    /// is known to listen, if `always`.
    pub(crate) const fn telling_each(
        mut self,
        channels: &'a [Channel],
        message: &'a [u8],
        always: bool,
    ) -> Self {
        self.telling_each = Some(TellingEach { channels, message, always });
        self
    }

    /// The same with the text of the script instead of its digest.
    pub(crate) const fn by_text(mut self) -> Self {
        self.verb = match self.verb {
            Verb::ByDigest(script) => Verb::ByText(script),
            Verb::PageByDigest(script) => Verb::PageByText(script),
            other => other,
        };
        self
    }

    /// The first word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.verb {
            Verb::Set | Verb::Put => "SET",
            Verb::Publish => "PUBLISH",
            Verb::Wait => "WAIT",
            Verb::WaitAof => "WAITAOF",
            Verb::ByDigest(_) | Verb::PageByDigest(_) => "EVALSHA",
            Verb::ByText(_) | Verb::PageByText(_) => "EVAL",
        }
    }

    /// The key, or the pattern of keys, that it is about, for clients that must know where a
    /// command goes; also if it is not among its words. Of several, the first.
    #[must_use]
    pub const fn key(&self) -> &'a Resource {
        self.resource
    }
}

/// Only where, as of [`Telling`].
impl fmt::Debug for TellingEach<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.channels, f)
    }
}

/// Only where: the message says by whom.
impl fmt::Debug for Telling<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Telling({:?})", String::from_utf8_lossy(self.channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(command: Command<'_>) -> String {
        let mut words = vec![command.name().to_owned()];
        words.extend(command.words().into_iter().map(|word| match word {
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

        let put = Command::put(&resource, b"v", 1500);
        assert_eq!((spoken(put), put.key()), ("SET r v PX 1500".to_owned(), &resource));

        let extend = Command::script(Script::EXTEND, &resource).token(&token).millis(7);
        assert_eq!(spoken(extend), format!("EVALSHA {} 1 r t 7", Script::EXTEND.sha1()));
        let text = Script::EXTEND.body();
        assert_eq!(spoken(extend.by_text()), format!("EVAL {text} 1 r t 7"));

        let channel = b"c".as_slice();
        let tell = Command::script(Script::RELEASE_AND_NOTIFY, &resource).token(&token);
        let digest = Script::RELEASE_AND_NOTIFY.sha1();
        let told = format!("EVALSHA {digest} 1 r t c m");
        assert_eq!(spoken(tell.telling(channel, b"m", false)), told);
        assert_eq!(spoken(tell.telling(channel, b"m", true)), format!("{told} 1"));
        let publish = Command::publish(&resource, channel, b"m");
        assert_eq!(spoken(publish), "PUBLISH c m");

        let other = Resource::new("s").unwrap();
        let two = Command::script(Script::EXTEND, &resource).second_key(&other).token(&token);
        assert_eq!(spoken(two), format!("EVALSHA {} 2 r s t", Script::EXTEND.sha1()));
        assert_eq!(two.key(), &resource);
        let numbered = two.millis(5).numbers(&[0, 7]);
        assert_eq!(spoken(numbered), format!("EVALSHA {} 2 r s t 5 0 7", Script::EXTEND.sha1()));

        let wait = Command::wait(&resource, &[2, 50]);
        assert_eq!((spoken(wait), wait.key()), ("WAIT 2 50".to_owned(), &resource));
        assert_eq!(spoken(Command::wait_aof(&resource, &[1, 0, 50])), "WAITAOF 1 0 50");

        let agree = Command::script(Script::AGREE, &resource).value(b"v");
        assert_eq!(spoken(agree), format!("EVALSHA {} 1 r v", Script::AGREE.sha1()));

        let pattern = Resource::new("a*").unwrap();
        let page = Command::page(Script::LIST, &pattern, &[5, 200]);
        assert_eq!(spoken(page), format!("EVALSHA {} 0 a* 5 200", Script::LIST.sha1()));
        let text = Script::LIST.body();
        assert_eq!(spoken(page.by_text()), format!("EVAL {text} 0 a* 5 200"));

        let inspect = Command::script(Script::INSPECT, &resource);
        assert_eq!(spoken(inspect), format!("EVALSHA {} 1 r", Script::INSPECT.sha1()));
    }

    #[test]
    fn a_token_is_not_shown_whole() {
        let token = Token::from_bytes(*b"0123456789abcdef0123").unwrap();
        let resource = Resource::new("r").unwrap();
        let (set, put) =
            (Command::set(&resource, &token, 1), Command::put(&resource, token.as_bytes(), 1));
        for command in [set, put] {
            let words = format!("{:?}", command.words());
            for shown in [format!("{command:?}"), words] {
                assert!(!shown.contains("abcdef0123"), "{shown}");
                let numbers = format!("{:?}", token.as_bytes());
                assert!(!shown.contains(&numbers), "{shown}");
            }
        }
    }
}
