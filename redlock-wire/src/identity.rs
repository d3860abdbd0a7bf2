use redlock_core::Identity;

/// The identity of a server, from the text that it answers to `INFO server`.
///
/// Its `run_id` is 40 random hexadecimal digits, new with each start of the process; the first 32
/// make the identity. `None` if the text has no such line: then the server cannot be told apart,
/// which is no failure.
pub(crate) fn run_id(info: &str) -> Option<Identity> {
    let id = info.lines().find_map(|line| line.trim_end().strip_prefix("run_id:"))?;
    // `from_str_radix` alone would let a sign through.
    let digits =
        id.get(..32).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u128::from_str_radix(digits, 16).ok().map(Identity::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_32_digits_of_the_run_id_tell_servers_apart() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrun_id:\
                    000000000000000000000000000000ff12345678\r\ntcp_port:6379\r\n";
        assert_eq!(run_id(info), Some(Identity::new(0xff)));
    }

    #[test]
    fn an_odd_answer_is_no_identity() {
        for odd in [
            "",
            "# Server\r\n",
            "run_id:\r\n",
            "run_id:12ff\r\n",
            "run_id:+0000000000000000000000000000000ffffffff\r\n",
            "run_id:zz000000000000000000000000000000ffffffff\r\n",
            "run_id:ééééééééééééééééééééééééééééé\r\n",
        ] {
            assert_eq!(run_id(odd), None, "{odd:?}");
        }
    }
}
