use std::{
    fs, io,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use redis::{FromRedisValue, IntoConnectionInfo, RedisConnectionInfo};
use rustix::process::{Pid, Signal, kill_process};

use super::{Options, ServerError, folder::Folder, port};

/// A server process of a test: ended when dropped, also by a panic.
#[derive(Debug)]
pub struct Server {
    options: Options,
    port: u16,
    folder: Arc<Folder>,
    child: Child,
}

impl Server {
    /// Starts a server without password or persistence, and waits until it answers.
    ///
    /// # Errors
    ///
    /// [`ServerError::NotInstalled`] if there is no such program, [`ServerError::NotStarted`] or
    /// [`ServerError::NotReady`] if it does not come up.
    pub fn start() -> Result<Self, ServerError> {
        Self::with(Options::new())
    }

    pub(super) fn with(options: Options) -> Result<Self, ServerError> {
        let folder = Folder::new().map_err(|error| ServerError::NotStarted(Arc::new(error)))?;
        let folder = Arc::new(folder);
        let mut last = None;
        // Between finding a port free and the server's taking it, another process may have it.
        for _ in 0..PORTS_TO_TRY {
            let Some(port) = port::free() else { break };
            let child = spawn(&options, port, folder.path())?;
            let mut server =
                Self { options: options.clone(), port, folder: Arc::clone(&folder), child };
            match server.wait_until_ready() {
                Ok(()) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(port::none_free))
    }

    /// Suspends the process (SIGSTOP): connections stay open, nothing is answered.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a suspended process go on (SIGCONT). It then does what it was sent meanwhile.
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends the process at once (SIGKILL), as if the machine lost power. Returns when it is gone.
    pub fn kill(&mut self) {
        self.end();
    }

    /// Starts the process again on its port: empty, unless [`Options::persistent`].
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.end();
        self.child = spawn(&self.options, self.port, self.folder.path())?;
        self.wait_until_ready()
    }

    /// Carries out one command over a connection of its own.
    ///
    /// # Errors
    ///
    /// [`ServerError::Command`] if the server is not there, or answers with an error.
    pub fn cmd<T: FromRedisValue>(&self, words: &[&str]) -> Result<T, ServerError> {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        self.connection()
            .and_then(|mut connection| command.query(&mut connection))
            .map_err(|source| ServerError::Command { port: self.port, source })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The process id, which a restart changes.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The url for a client, with the password if there is one.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.options.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}/0", self.port),
            None => format!("redis://127.0.0.1:{}/0", self.port),
        }
    }

    /// The folder of this server, gone when it is dropped.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where its unix socket is, if it was started with [`Options::unix_socket`].
    #[must_use]
    pub fn unix_socket(&self) -> Option<PathBuf> {
        self.options.unix_socket.then(|| socket(self.folder.path()))
    }

    fn connection(&self) -> redis::RedisResult<redis::Connection> {
        let mut settings = RedisConnectionInfo::default();
        if let Some(password) = &self.options.password {
            settings = settings.set_password(password);
        }
        let info = ("127.0.0.1", self.port).into_connection_info()?.set_redis_settings(settings);
        let connection = redis::Client::open(info)?.get_connection_with_timeout(ANSWER)?;
        connection.set_read_timeout(Some(ANSWER))?;
        Ok(connection)
    }

    /// Waits for an answer from this very process, not from a stranger on the same port.
    fn wait_until_ready(&mut self) -> Result<(), ServerError> {
        let ours = format!("process_id:{}", self.child.id());
        let deadline = Instant::now() + START;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            let address = SocketAddr::from(([127, 0, 0, 1], self.port));
            if TcpStream::connect_timeout(&address, ANSWER).is_ok() {
                let info = self.cmd::<String>(&["INFO", "server"]);
                if info.is_ok_and(|info| info.lines().any(|line| line.trim_end() == ours)) {
                    return Ok(());
                }
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err(ServerError::NotReady { port: self.port, log: self.log() })
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }

    fn signal(&self, signal: Signal) {
        // Not waited for yet, so the id is still this child's and nobody else's. An error means
        // that it has ended already.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    fn end(&mut self) {
        // Once waited for, its id may belong to another process.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawn(options: &Options, port: u16, folder: &Path) -> Result<Child, ServerError> {
    let mut command = Command::new(&options.binary);
    command
        .args(&options.config_file)
        .args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
        .arg("--port")
        .arg(port.to_string())
        .arg("--dir")
        .arg(folder)
        .args(["--logfile", LOG])
        .args(["--appendonly", if options.persistent { "yes" } else { "no" }])
        .args(["--appendfsync", "always"]);
    if let Some(password) = &options.password {
        command.arg("--requirepass").arg(password);
    }
    if options.unix_socket {
        command.arg("--unixsocket").arg(socket(folder));
    }
    command
        .args(&options.args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ServerError::NotInstalled { binary: options.binary.clone() },
            _ => ServerError::NotStarted(Arc::new(error)),
        })
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

const LOG: &str = "server.log";
const PORTS_TO_TRY: u32 = 5;
const START: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(5);
