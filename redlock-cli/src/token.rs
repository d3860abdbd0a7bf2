//! Where a token comes from.

use std::{
    ffi::{OsStr, OsString},
    io::BufRead,
    str,
};

use redlocks::Token;
use serde_json::{Value, json};

/// The token that these words name: itself, or `-` for a line of `input`, or `env:VARIABLE`.
pub(crate) fn token(
    words: &OsStr,
    input: impl FnOnce() -> Box<dyn BufRead>,
) -> Result<Token, String> {
    let bytes = if words == "-" {
        let mut line = Vec::new();
        input()
            .read_until(b'\n', &mut line)
            .map_err(|error| format!("could not read a token from standard input: {error}"))?;
        let end = line.trim_ascii_end().len();
        line.truncate(end);
        line
    } else if let Some(name) = words.to_str().and_then(|words| words.strip_prefix("env:")) {
        let value = std::env::var_os(name);
        bytes(value.ok_or_else(|| format!("there is no variable {name} to take a token from"))?)
    } else {
        bytes(words.to_owned())
    };
    Token::from_bytes(bytes).map_err(|error| error.to_string())
}

/// A token as it is printed: as text, if it is some, and otherwise byte by byte.
pub(crate) fn printed(token: &Token) -> Value {
    match str::from_utf8(token.as_bytes()) {
        Ok(text) => json!(text),
        Err(_) => json!(token.as_bytes()),
    }
}

#[cfg(unix)]
fn bytes(text: OsString) -> Vec<u8> {
    std::os::unix::ffi::OsStringExt::into_vec(text)
}

#[cfg(not(unix))]
fn bytes(text: OsString) -> Vec<u8> {
    text.to_string_lossy().into_owned().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(words: &str, input: &'static str) -> Result<Vec<u8>, String> {
        token(OsStr::new(words), || Box::new(input.as_bytes()))
            .map(|token| token.as_bytes().to_vec())
    }

    #[test]
    fn a_token_is_said_read_or_looked_up() {
        assert_eq!(taken("abc", "").unwrap(), b"abc");
        assert_eq!(taken("-", "abc\r\ndef\n").unwrap(), b"abc");
        let path = std::env::var("PATH").unwrap();
        assert_eq!(taken("env:PATH", "").unwrap(), path.as_bytes());
    }

    #[test]
    fn no_token_is_an_error() {
        for (words, input, hint) in [
            ("", "", "the token is empty"),
            ("-", "", "the token is empty"),
            ("-", "\n", "the token is empty"),
            ("env:REDLOCK_NO_SUCH_THING", "", "there is no variable"),
        ] {
            let error = taken(words, input).unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
    }
}
