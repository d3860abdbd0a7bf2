use std::{
    fs, io,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use redis::{ConnectionAddr, FromRedisValue, IntoConnectionInfo, RedisConnectionInfo};
use rustix::process::{Pid, Signal, kill_process};

use super::{Options, ServerError, certificate::Certificate, folder::Folder, port, user::encoded};

/// A server process of a test: ended when dropped, also by a panic.
#[derive(Debug)]
pub struct Server {
    options: Options,
    port: u16,
    folder: Arc<Folder>,
    certificate: Option<Certificate>,
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
        let certificate = options.tls.then(|| Certificate::make(folder.path())).transpose()?;
        let mut last = None;
        // Between finding a port free and the server's taking it, another process may have it.
        for _ in 0..PORTS_TO_TRY {
            let Some(port) = port::free() else { break };
            let child = spawn(&options, certificate.as_ref(), port, folder.path())?;
            let mut server = Self {
                options: options.clone(),
                port,
                folder: Arc::clone(&folder),
                certificate: certificate.clone(),
                child,
            };
            match server.wait_until_ready(true) {
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
        self.start_again()?;
        self.wait_until_ready(true)
    }

    /// [`restart`](Self::restart) that returns as soon as the server answers, be it that it is
    /// still loading its data.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub fn restart_loading(&mut self) -> Result<(), ServerError> {
        self.start_again()?;
        self.wait_until_ready(false)
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

    /// The url for a client, with the password if there is one; `rediss://` with
    /// [`Options::tls`].
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The url for a client that logs in as this user, made by [`Options::user`]; `None` if there
    /// is no such user.
    #[must_use]
    pub fn url_of(&self, name: &str) -> Option<String> {
        let user = self.options.users.iter().find(|user| user.name == name)?;
        let login = format!("{}:{}@", encoded(&user.name), encoded(&user.password));
        Some(self.address(&login, self.port))
    }

    /// The same as [`url`](Self::url) on a port from where a proxy leads here.
    pub(super) fn url_at(&self, port: u16) -> String {
        match &self.options.password {
            Some(password) => self.address(&format!(":{}@", encoded(password)), port),
            None => self.address("", port),
        }
    }

    fn address(&self, login: &str, port: u16) -> String {
        let scheme = if self.options.tls { "rediss" } else { "redis" };
        format!("{scheme}://{login}127.0.0.1:{port}/0")
    }

    /// Where the certificate is by which clients trust this server, in PEM, if it was started with
    /// [`Options::tls`]. It is made out to `localhost` and `127.0.0.1`.
    #[must_use]
    pub fn certificate(&self) -> Option<&Path> {
        self.certificate.as_ref().map(|made| &*made.certificate)
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

    pub(super) const fn options(&self) -> &Options {
        &self.options
    }

    pub(super) const fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    pub(super) fn connection(&self) -> redis::RedisResult<redis::Connection> {
        let mut settings = RedisConnectionInfo::default();
        if let Some(password) = &self.options.password {
            settings = settings.set_password(password);
        }
        let address = if self.options.tls {
            // A client with TLS of its own would cost every user of the harness its compilation.
            ConnectionAddr::Unix(socket(self.folder.path()))
        } else {
            ConnectionAddr::Tcp("127.0.0.1".into(), self.port)
        };
        let info = address.into_connection_info()?.set_redis_settings(settings);
        let mut connection = redis::Client::open(info)?.get_connection_with_timeout(ANSWER)?;
        connection.set_read_timeout(Some(ANSWER))?;
        // The server may notice the end of a connection late: by its name it is still told from
        // those of clients. One that is busy with a script takes no name, and still `SCRIPT KILL`.
        match redis::cmd("CLIENT").arg("SETNAME").arg(NAME).exec(&mut connection) {
            Err(error) if error.code().is_none() => Err(error),
            _ => Ok(connection),
        }
    }

    /// Waits for an answer from this very process, not from a stranger on the same port, and for
    /// its data if asked to.
    fn wait_until_ready(&mut self, loaded: bool) -> Result<(), ServerError> {
        let ours = format!("process_id:{}", self.child.id());
        let deadline = Instant::now() + START;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            let address = SocketAddr::from(([127, 0, 0, 1], self.port));
            if TcpStream::connect_timeout(&address, ANSWER).is_ok() {
                let info = self.cmd::<String>(&["INFO"]).unwrap_or_default();
                let says = |words: &str| info.lines().any(|line| line.trim_end() == words);
                // A sentinel has no data, and does not say that it has loaded them.
                if says(&ours) && !(loaded && says("loading:1")) {
                    return Ok(());
                }
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err(ServerError::NotReady { port: self.port, log: self.log() })
    }

    fn start_again(&mut self) -> Result<(), ServerError> {
        self.end();
        let certificate = self.certificate.as_ref();
        self.child = spawn(&self.options, certificate, self.port, self.folder.path())?;
        Ok(())
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

fn spawn(
    options: &Options,
    certificate: Option<&Certificate>,
    port: u16,
    folder: &Path,
) -> Result<Child, ServerError> {
    let failed = |error| ServerError::NotStarted(Arc::new(error));
    // What it says before it has read its settings goes where the rest goes.
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join(LOG));
    let log = log.map_err(failed)?;
    let mut command = Command::new(&options.binary);
    command
        .args(&options.config_file)
        .args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
        .arg("--port")
        .arg(if certificate.is_some() { 0 } else { port }.to_string())
        .arg("--dir")
        .arg(folder)
        .args(["--logfile", LOG])
        .args(["--appendonly", if options.persistent { "yes" } else { "no" }])
        .args(["--appendfsync", "always"]);
    if let Some(password) = &options.password {
        command.arg("--requirepass").arg(password);
    }
    for user in &options.users {
        command.args(["--user", &user.name, "on", &format!(">{}", user.password)]);
        command.args(&user.rules);
    }
    if let Some(made) = certificate {
        command.arg("--tls-port").arg(port.to_string()).args(["--tls-auth-clients", "no"]);
        command.arg("--tls-cert-file").arg(&made.certificate);
        command.arg("--tls-key-file").arg(&made.key);
        command.arg("--tls-ca-cert-file").arg(&made.certificate);
    }
    if options.unix_socket || certificate.is_some() {
        command.arg("--unixsocket").arg(socket(folder));
    }
    command
        .args(&options.args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ServerError::NotInstalled { binary: options.binary.clone() },
            _ => failed(error),
        })
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

/// How the server knows the connections of the harness.
pub(super) const NAME: &str = "redlocks-harness";
const LOG: &str = "server.log";
const PORTS_TO_TRY: u32 = 5;
const START: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(5);
