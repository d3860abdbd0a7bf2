//! Who calls which command: [`Callers`], as `MONITOR` shows them.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{Shutdown, TcpStream},
    thread::{self, JoinHandle},
};

use redlock_testkit::server::Server;
use serde::Serialize;

use crate::Failure;

/// For each command, how often clients sent it and how often scripts called it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Callers(BTreeMap<String, Calls>);

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Calls {
    by_clients: u32,
    by_scripts: u32,
}

impl Callers {
    /// Reads lines such as `1700000000.000001 [0 127.0.0.1:5000] "SET" "key"`; what a script calls
    /// has `lua` where the address would be.
    pub(crate) fn read<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> Self {
        let mut callers = Self::default();
        for line in lines {
            let Some((before, rest)) = line.as_ref().split_once("] \"") else { continue };
            let Some((name, _)) = rest.split_once('"') else { continue };
            let calls = callers.0.entry(name.to_lowercase()).or_default();
            if before.ends_with(" lua") {
                calls.by_scripts += 1;
            } else {
                calls.by_clients += 1;
            }
        }
        callers
    }

    /// What several servers carried out.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        for (name, more) in &other.0 {
            let calls = self.0.entry(name.clone()).or_default();
            calls.by_clients += more.by_clients;
            calls.by_scripts += more.by_scripts;
        }
        self
    }

    /// Which part of the calls of a command clients have sent. All of them, if none was seen.
    pub(crate) fn sent_part(&self, command: &str) -> f64 {
        // `client|setname` is a `CLIENT` here.
        let name = command.split('|').next().unwrap_or(command);
        match self.0.get(name) {
            Some(calls) => {
                f64::from(calls.by_clients) / f64::from(calls.by_clients + calls.by_scripts)
            }
            None => 1.0,
        }
    }

    /// How many commands clients have sent.
    pub(crate) fn sent(&self) -> u32 {
        self.0.values().map(|calls| calls.by_clients).sum()
    }
}

/// A connection on which a server tells of each command that it carries out.
///
/// That slows the server down, so nothing is timed meanwhile.
#[derive(Debug)]
pub(crate) struct Monitor {
    connection: TcpStream,
    reader: JoinHandle<Callers>,
}

impl Monitor {
    /// Returns when nothing will be missed from now on.
    pub(crate) fn start(server: &Server) -> Result<Self, Failure> {
        let mut connection = TcpStream::connect(("127.0.0.1", server.port()))?;
        connection.write_all(b"MONITOR\r\n")?;
        let mut lines = BufReader::new(connection.try_clone()?);
        let mut first = String::new();
        lines.read_line(&mut first)?;
        if first.trim_end() != "+OK" {
            return Err(format!("a server does not tell what it does: {first}").into());
        }
        let reader = thread::spawn(|| Callers::read(lines.lines().map_while(Result::ok)));
        Ok(Self { connection, reader })
    }

    /// What came up to now.
    pub(crate) fn stop(mut self) -> Result<Callers, Failure> {
        // Its answer comes behind all that it was to tell before.
        self.connection.write_all(b"QUIT\r\n")?;
        let callers = self.reader.join().map_err(|_| "reading what a server does has panicked")?;
        // The server has closed it.
        let _ = self.connection.shutdown(Shutdown::Both);
        Ok(callers)
    }
}
