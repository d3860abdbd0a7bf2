use std::{fmt, fs, thread};

use redlock_testkit::server::Server;
use serde::Serialize;

use crate::{Failure, versions};

/// Where and on what a benchmark ran, and how busy the machine was besides.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    server: String,
    optimized: bool,
    clients: String,
    /// The mean number of processes that wanted to run, in the minute before.
    load_before: String,
    load_after: String,
}

impl Machine {
    /// To be looked at before anything is measured.
    pub(crate) fn look(server: &Server) -> Result<Self, Failure> {
        let info: String = server.cmd(&["INFO", "server"])?;
        let field = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
        };
        let server = match (field("valkey_version"), field("redis_version")) {
            (Some(version), _) => format!("Valkey {version}"),
            (None, Some(version)) => format!("Redis {version}"),
            (None, None) => "a server that does not tell its version".to_owned(),
        };
        Ok(Self { server, ..Self::alone() })
    }

    /// The same for what needs no server.
    pub(crate) fn alone() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
        let model =
            model.map_or("an unknown processor", |rest| rest.trim_matches([' ', '\t', ':']));
        Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            processor: model.to_owned(),
            server: String::new(),
            optimized: !cfg!(debug_assertions),
            clients: versions::clients(),
            load_before: load(),
            load_after: String::new(),
        }
    }

    pub(crate) fn finished(self) -> Self {
        Self { load_after: load(), ..self }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, processor, server, clients, load_before, load_after, .. } = self;
        write!(f, "{cores} cores of {processor}; ")?;
        if !server.is_empty() {
            write!(f, "{server} on this machine; ")?;
        }
        write!(f, "load {load_before} before and {load_after} after; {clients}.")?;
        if !self.optimized {
            f.write_str(" **Not optimized: run it with `--release`.**")?;
        }
        Ok(())
    }
}

fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().filter(|text| !text.is_empty()).unwrap_or("unknown").to_owned()
}
