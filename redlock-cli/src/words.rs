//! What is told to people, and comes from elsewhere in parts.

/// A text as one line that does nothing to a terminal and is not longer than this: servers choose
/// the words of their errors.
pub(crate) fn one_line(text: &str, longest: usize) -> String {
    let mut line = String::new();
    for (place, c) in text.chars().enumerate() {
        if place == longest {
            line.push('…');
            break;
        }
        match c {
            // Which are escaped where they stand for something.
            '"' | '\'' | '\\' => line.push(c),
            c => line.extend(c.escape_debug()),
        }
    }
    line
}

/// Of a message, which may tell of many nodes.
pub(crate) const LONGEST_MESSAGE: usize = 2000;

/// Of what is said of one node.
pub(crate) const LONGEST_FINDING: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_something_to_a_terminal_is_escaped() {
        for (text, expected) in [
            ("could not acquire \"a\\n\": it's taken", "could not acquire \"a\\n\": it's taken"),
            ("\u{1b}[2J\u{7}\r\n", "\\u{1b}[2J\\u{7}\\r\\n"),
            ("\u{9b}2J\u{202e}", "\\u{9b}2J\\u{202e}"),
            ("größer …", "größer …"),
        ] {
            assert_eq!(one_line(text, 100), expected);
        }
    }

    #[test]
    fn what_is_long_is_cut_off() {
        assert_eq!(one_line("abc", 3), "abc");
        assert_eq!(one_line("äbcd", 3), "äbc…");
    }
}
