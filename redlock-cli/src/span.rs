//! Durations as they are written on a command line.

use std::time::Duration;

/// The duration that this text says, with its unit.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let is_bare = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if is_bare {
        return Err(format!(
            "a duration has a unit: {text}s for seconds, {text}ms for milliseconds"
        ));
    }
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; a duration looks like 500ms, 10s or \"1m 30s\""))
}

/// A duration as it is told to people: to the millisecond.
pub(crate) fn told(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    humantime::format_duration(Duration::from_millis(millis)).to_string()
}

/// A duration as JSON has it: whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit() {
        assert_eq!(span("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(span("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(span("1m 30s"), Ok(Duration::from_secs(90)));
        for bare in ["10", "0", "1.5"] {
            let hint = span(bare).unwrap_err();
            assert!(hint.contains(&format!("{bare}s for seconds")), "{hint}");
        }
        for odd in ["", "s", "10 lightyears", "-1s", "99999999999999999999s"] {
            let hint = span(odd).unwrap_err();
            assert!(hint.contains("looks like 500ms"), "{odd}: {hint}");
        }
    }

    #[test]
    fn a_duration_is_told_to_the_millisecond() {
        assert_eq!(told(Duration::from_micros(90_001_999)), "1m 30s 1ms");
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }
}
