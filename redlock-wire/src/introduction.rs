use std::time::{Duration, Instant};

use redlock_core::Identity;

use crate::{Reply, counted, fitness::field, identity::run_id};

/// What a server tells of itself when it is connected to, as far as it does.
#[derive(Clone, Debug)]
pub struct Introduction {
    asked: Instant,
    identity: Option<Identity>,
    remembers: Option<Duration>,
    clock: Option<u64>,
}

impl Introduction {
    /// From what it answers to `INFO server`, to `INFO persistence` and to `TIME`, asked at that
    /// moment. What it would not tell is empty, and stays unknown.
    #[must_use]
    pub fn new(server: &str, persistence: &str, clock: &Reply, asked: Instant) -> Self {
        Self {
            asked,
            identity: run_id(server),
            remembers: remembers(server, persistence),
            clock: counted::time(clock),
        }
    }

    /// A server that tells nothing.
    #[must_use]
    pub fn of_a_stranger() -> Self {
        Self::new("", "", &Reply::Odd, Instant::now())
    }

    /// Which server it is.
    #[must_use]
    pub const fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// When it was asked.
    pub(crate) const fn asked(&self) -> Instant {
        self.asked
    }

    /// For how long it had been running at least, if that is how far back it remembers.
    pub(crate) const fn remembers(&self) -> Option<Duration> {
        self.remembers
    }

    /// What its clock showed, in microseconds since 1970.
    pub(crate) const fn clock(&self) -> Option<u64> {
        self.clock
    }
}

/// A server that writes no append-only file, or cannot, has forgotten after a restart what it was
/// told since its last snapshot at least. One that writes it is taken at its word: how soon a write
/// is on the disk (`appendfsync`) is not to be seen in `INFO`.
fn remembers(server: &str, persistence: &str) -> Option<Duration> {
    let written = match field(persistence, "aof_enabled")? {
        "0" => false,
        _ => field(persistence, "aof_last_write_status") != Some("err"),
    };
    let uptime = field(server, "uptime_in_seconds")?.parse().ok()?;
    // Of two readings of a clock in whole seconds, which may be a second more than has passed.
    (!written).then(|| Duration::from_secs(uptime).saturating_sub(Duration::from_secs(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_append_only_file_remembers_as_far_as_it_has_been_running() {
        let server = "# Server\r\nrun_id:x\r\nuptime_in_seconds:31\r\nuptime_in_days:0\r\n";
        let half_a_minute = Some(Duration::from_secs(30));
        for (server, persistence, expected) in [
            (server, "aof_enabled:0\r\naof_last_write_status:ok\r\n", half_a_minute),
            (server, "aof_enabled:0\r\nrdb_saves:9\r\n", half_a_minute),
            (server, "aof_enabled:1\r\naof_last_write_status:err\r\n", half_a_minute),
            (server, "aof_enabled:1\r\naof_last_write_status:ok\r\n", None),
            (server, "aof_enabled:1\r\n", None),
            (server, "", None),
            ("", "aof_enabled:0\r\n", None),
            ("uptime_in_seconds:x\r\n", "aof_enabled:0\r\n", None),
            ("uptime_in_seconds:0\r\n", "aof_enabled:0\r\n", Some(Duration::ZERO)),
        ] {
            assert_eq!(remembers(server, persistence), expected, "{server:?} {persistence:?}");
        }
    }

    #[test]
    fn a_stranger_is_not_known() {
        let stranger = Introduction::of_a_stranger();
        assert!(stranger.identity().is_none());
        assert!(stranger.remembers().is_none());
        assert!(stranger.clock().is_none());
    }
}
