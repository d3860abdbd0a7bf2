//! Servers, and the command that is asked about them.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use redlock_testkit::server::{Server, Servers};

/// Far longer than anything takes, for a machine that does much else.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Three servers, and the command over them.
pub(crate) struct Fleet {
    pub(crate) servers: Servers,
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Fleet {
    pub(crate) fn start() -> Self {
        Self { servers: Servers::start(3).unwrap() }
    }

    /// The command with these words, about these servers, yet to be run.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = redlock(words);
        command.env("REDLOCK_NODES", self.servers.urls().join(" "));
        command
    }

    /// The same, run to its end.
    pub(crate) fn says(&self, words: &[&str]) -> Said {
        Said::of(self.command(words).output().unwrap())
    }

    /// Takes a lock and returns its token.
    pub(crate) fn lock(&self, name: &str, ttl: &str) -> String {
        let said = self.says(&["lock", name, ttl, "--wait", "30s"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out.trim_end().to_owned()
    }

    /// What each server has under this name.
    pub(crate) fn holders(&self, name: &str) -> Vec<Option<String>> {
        self.servers.iter().map(|server| server.cmd(&["GET", name]).unwrap()).collect()
    }

    /// How much longer each server keeps the lock, at least.
    pub(crate) fn kept(&self, name: &str) -> Vec<Duration> {
        let kept = |server: &Server| -> Option<u64> {
            let millis: i64 = server.cmd(&["PTTL", name]).unwrap();
            millis.try_into().ok()
        };
        self.servers.iter().filter_map(kept).map(Duration::from_millis).collect()
    }

    /// From now on no server changes anything, and so none keeps a lock for longer.
    pub(crate) fn freeze(&self) {
        for server in self.servers.iter() {
            server.cmd::<()>(&["CLIENT", "PAUSE", "60000", "WRITE"]).unwrap();
        }
    }

    pub(crate) fn stop(&self) {
        self.servers.iter().for_each(Server::stop);
    }

    pub(crate) fn cont(&self) {
        self.servers.iter().for_each(Server::cont);
    }
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The value under this key of the one JSON object that was said.
    pub(crate) fn json(&self, key: &str) -> serde_json::Value {
        let object: serde_json::Value =
            serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        object[key].clone()
    }
}

/// The command with these words, and without the settings of whoever runs the tests.
pub(crate) fn redlock(words: &[&str]) -> Command {
    // As by hand: whoever runs the tests may have them outlive a hang-up.
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_redlock")]).args(words);
    for variable in ["REDLOCK_NODES", "REDLOCK_KEY_PREFIX", "REDLOCK_OWNER"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// A command that is running. Dropped, it is ended.
#[derive(Debug)]
pub(crate) struct Running {
    process: Child,
    lines: Receiver<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        // A line that never comes is to end the test, and no read can be given up.
        thread::spawn(move || out.lines().try_for_each(|line| sender.send(line.unwrap())));
        Self { process, lines }
    }

    /// The next line that it says.
    pub(crate) fn line(&mut self) -> String {
        match self.lines.recv_timeout(LONG) {
            Ok(line) => line.trim().to_owned(),
            Err(_) => panic!("no line was said: {:?}", self.ended()),
        }
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Its exit code, when it has ended, and what it said on standard error. It ends, or is ended.
    pub(crate) fn ended(&mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        let code = loop {
            match self.process.try_wait().unwrap() {
                Some(status) => break status.code(),
                None if start.elapsed() > LONG => self.end(),
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        let mut err = String::new();
        self.process.stderr.as_mut().unwrap().read_to_string(&mut err).unwrap();
        (code, err)
    }

    /// Ends it so that it can end what it has started.
    #[cfg(unix)]
    fn end(&mut self) {
        let start = Instant::now();
        while self.process.try_wait().unwrap().is_none() && start.elapsed() < LONG / 4 {
            self.signal(rustix::process::Signal::TERM);
            thread::sleep(Duration::from_millis(50));
        }
        self.process.kill().unwrap();
    }

    #[cfg(not(unix))]
    fn end(&mut self) {
        self.process.kill().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.process.try_wait().unwrap().is_none() {
            self.end();
        }
        self.process.wait().unwrap();
    }
}

/// Waits until this is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LONG, "not within {LONG:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
