//! What a node tells of itself: [`Facts`].

use std::{
    collections::HashMap,
    time::{Duration, Instant, SystemTime},
};

use redlocks::{
    FailureKind,
    redis_rs::{
        RedisNode,
        redis::{
            AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisResult,
            aio::MultiplexedConnection, cmd,
        },
    },
};
use serde_json::{Value, json};

use super::{finding::Finding, label, trial::trial};
use crate::span::told;

/// What is known of one node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) label: String,
    /// Why it cannot be used; then what else is known does not matter.
    pub(crate) unreachable: Option<String>,
    /// The lines of its `INFO`.
    pub(crate) info: HashMap<String, String>,
    pub(crate) appendfsync: Option<String>,
    /// How long it takes to answer: of several times the middle one.
    pub(crate) latency: Option<Duration>,
    pub(crate) clock: Option<Clock>,
    /// What it would not tell.
    pub(crate) untold: Vec<&'static str>,
    /// What was found when a lock was tried.
    pub(crate) tried: Vec<Finding>,
}

/// A server's clock, as it was seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    /// By how many microseconds it is ahead of the clock here.
    pub(crate) ahead: i128,
    /// By how much that may be wrong: it is not known when in a round trip it was read.
    pub(crate) doubt: Duration,
}

impl Facts {
    /// Asks a node for all of it.
    pub(crate) async fn of(url: &str, node: &RedisNode, prefix: &str, timeout: Duration) -> Self {
        let mut facts = Self { label: label(node), ..Self::default() };
        let reached = node.check().await;
        if let Err(error) = &reached
            && error.kind() == FailureKind::TimedOut
        {
            // Whatever it is asked next takes as long.
            facts.unreachable = Some(error.to_string());
            return facts;
        }
        let mut connection = match connect(url, timeout).await {
            Ok(connection) => connection,
            Err(error) => {
                // The node's own error says the same with a kind, if it has one.
                let text = reached
                    .err()
                    .map_or_else(|| error.category().to_owned(), |error| error.to_string());
                facts.unreachable = Some(text);
                return facts;
            }
        };
        if facts.ask(&mut connection).await.is_err() {
            let text = format!("it has answered, but then not within {}", told(timeout));
            facts.unreachable = Some(text);
            return facts;
        }
        facts.tried = trial(node, prefix, timeout, facts.field("role") == Some("slave")).await;
        facts
    }

    /// Asks for what the protocol has; up to the first answer that does not come in time.
    async fn ask(&mut self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        for (section, what) in SECTIONS {
            let info: Option<String> = answer(connection, cmd("INFO").arg(section)).await?;
            let Some(info) = info else {
                self.untold.push(what);
                continue;
            };
            let lines = info.lines().filter_map(|line| line.trim_end().split_once(':'));
            self.info.extend(lines.map(|(name, value)| (name.to_owned(), shown(value))));
        }
        let setting: Option<HashMap<String, String>> =
            answer(connection, cmd("CONFIG").arg("GET").arg("appendfsync")).await?;
        self.appendfsync = setting.and_then(|mut setting| setting.remove("appendfsync"));
        if self.appendfsync.is_none() {
            self.untold.push("when it writes to disk (CONFIG GET appendfsync)");
        }
        let mut times = Vec::new();
        for _ in 0..PINGS {
            let asked = Instant::now();
            if answer::<String>(connection, &mut cmd("PING")).await?.is_some() {
                times.push(asked.elapsed());
            }
        }
        times.sort_unstable();
        self.latency = times.get(times.len() / 2).copied();
        let (asked, here) = (Instant::now(), SystemTime::now());
        let time: Option<(u64, u64)> = answer(connection, &mut cmd("TIME")).await?;
        match time {
            None => self.untold.push("what its clock shows (TIME)"),
            Some((seconds, micros)) => {
                self.clock = Clock::read(seconds, micros, here, asked.elapsed())
            }
        }
        Ok(())
    }

    /// What `INFO` says of this.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.info.get(name).map(String::as_str)
    }

    /// The same, if it is a number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.parse().ok()
    }

    /// Which server it is, and of which version.
    pub(crate) fn version(&self) -> Option<String> {
        if let Some(version) = self.field("valkey_version") {
            return Some(format!("Valkey {version}"));
        }
        self.field("redis_version").map(|version| format!("Redis {version}"))
    }

    /// In one line, for people.
    pub(crate) fn line(&self) -> String {
        let mut parts = vec![self.label.clone()];
        parts.extend(self.version());
        parts.extend(
            self.latency.map(|latency| format!("answers in {:.1} ms", latency.as_secs_f64() * 1e3)),
        );
        let uptime = self.number("uptime_in_seconds").map(Duration::from_secs);
        parts.extend(uptime.map(|uptime| format!("up for {}", told(uptime))));
        parts.join(", ")
    }

    /// For scripts.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "node": self.label,
            "version": self.version(),
            "latency_ms": self.latency.map(|latency| latency.as_secs_f64() * 1e3),
            "clock_ahead_ms": self.clock.map(|clock| clock.ahead / 1000),
        })
    }
}

impl Clock {
    /// A clock that showed this at some time within the round trip that began at `here`.
    fn read(seconds: u64, micros: u64, here: SystemTime, trip: Duration) -> Option<Self> {
        let here = here.duration_since(SystemTime::UNIX_EPOCH).ok()? + trip / 2;
        let there = Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros));
        let micros = |time: Duration| i128::try_from(time.as_micros()).unwrap_or(i128::MAX);
        Some(Self { ahead: micros(there).saturating_sub(micros(here)), doubt: trip / 2 })
    }
}

/// A connection beside that of the node, for what a node has no call for.
async fn connect(url: &str, timeout: Duration) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(timeout))
        .set_response_timeout(Some(timeout));
    Client::open(url)?.get_multiplexed_async_connection_with_config(&config).await
}

/// What is answered, unless it is an error; that nothing is, in time, is one of its own.
async fn answer<T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    command: &mut Cmd,
) -> RedisResult<Option<T>> {
    match command.query_async(connection).await {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_timeout() => Err(error),
        Err(_) => Ok(None),
    }
}

/// What comes from elsewhere and is shown: neither long nor able to do anything to a terminal.
fn shown(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(80).collect()
}

/// What is asked for, and what is not known without it.
const SECTIONS: [(&str, &str); 4] = [
    ("server", "which server it is (INFO server)"),
    ("memory", "whether it evicts (INFO memory)"),
    ("persistence", "whether it keeps its data (INFO persistence)"),
    ("replication", "whether it is a replica (INFO replication)"),
];

const PINGS: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_read_in_the_middle_of_a_round_trip() {
        let here = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let clock = Clock::read(1002, 500_000, here, Duration::from_secs(1)).unwrap();
        assert_eq!(clock, Clock { ahead: 2_000_000, doubt: Duration::from_millis(500) });
        assert_eq!(Clock::read(999, 0, here, Duration::ZERO).unwrap().ahead, -1_000_000);
        assert!(Clock::read(u64::MAX, u64::MAX, here, Duration::ZERO).unwrap().ahead > 0);
    }

    #[test]
    fn what_a_server_says_does_nothing_to_a_terminal() {
        assert_eq!(shown("7.0\u{1b}[2J"), "7.0[2J");
        assert_eq!(shown(&"x".repeat(1000)).len(), 80);
    }
}
