use std::fmt;

use super::{Command, Telling, TellingEach, Verb};

/// One word of a [`Command`]. Its `Debug` tells the length of bytes only: they may be a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Word<'a> {
    /// As it is.
    Bytes(&'a [u8]),
    /// In decimal digits.
    Number(u64),
}

impl<'a> Command<'a> {
    /// Says the words after the first, in order.
    pub fn for_each_word(&self, mut say: impl FnMut(Word<'a>)) {
        let (with, keys) = match self.verb {
            Verb::Set | Verb::Put => (None, None),
            Verb::Publish | Verb::Wait | Verb::WaitAof => return self.say_what_it_takes(say),
            Verb::ByDigest(script) => (Some(script.sha1()), Some(self.count_keys())),
            Verb::ByText(script) => (Some(script.body()), Some(self.count_keys())),
            Verb::PageByDigest(script) => (Some(script.sha1()), Some(0)),
            Verb::PageByText(script) => (Some(script.body()), Some(0)),
        };
        if let (Some(script), Some(keys)) = (with, keys) {
            say(Word::text(script));
            say(Word::Number(keys));
        }
        say(Word::text(self.resource.as_str()));
        for key in self.others.iter().chain(self.more_keys.into_iter().flatten()) {
            say(Word::text(key.as_str()));
        }
        self.say_what_it_takes(say);
    }

    /// What comes after the keys.
    fn say_what_it_takes(&self, mut say: impl FnMut(Word<'a>)) {
        if let Some(token) = self.token {
            say(Word::Bytes(token.as_bytes()));
        } else if let Some(value) = self.value {
            say(value);
        }
        if matches!(self.verb, Verb::Set) {
            say(Word::text("NX"));
        }
        if matches!(self.verb, Verb::Set | Verb::Put) {
            say(Word::text("PX"));
        }
        if let Some(millis) = self.millis {
            say(Word::Number(millis));
        }
        for number in self.numbers {
            say(Word::Number(*number));
        }
        if let Some(Telling { channel, message, always }) = self.telling {
            say(Word::Bytes(channel));
            say(Word::Bytes(message));
            if always {
                say(Word::Number(1));
            }
        }
        if let Some(TellingEach { channels, message, always }) = self.telling_each {
            say(Word::Bytes(message));
            say(Word::Number(always.into()));
            for channel in channels {
                say(Word::text(channel.as_str()));
            }
        }
    }

    fn count_keys(&self) -> u64 {
        1 + (self.others.len() + self.more_keys.iter().flatten().count()) as u64
    }

    /// The words after the first, in order.
    #[cfg(test)]
    pub(crate) fn words(&self) -> Vec<Word<'a>> {
        let mut words = Vec::new();
        self.for_each_word(|word| words.push(word));
        words
    }
}

impl<'a> Word<'a> {
    const fn text(text: &'a str) -> Self {
        Self::Bytes(text.as_bytes())
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
