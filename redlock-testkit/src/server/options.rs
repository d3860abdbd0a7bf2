use std::{env, path::PathBuf};

use super::{Server, ServerError};

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) binary: String,
    pub(super) password: Option<String>,
    pub(super) persistent: bool,
    pub(super) unix_socket: bool,
    /// A file of settings; what else is said here stands above it.
    pub(super) config_file: Option<PathBuf>,
    pub(super) args: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            binary: env::var("REDLOCKS_SERVER").unwrap_or_else(|_| "redis-server".into()),
            password: None,
            persistent: false,
            unix_socket: false,
            config_file: None,
            args: Vec::new(),
        }
    }
}

impl Options {
    /// A server without password or persistence, on a port of 127.0.0.1.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another program than `redis-server`.
    #[must_use]
    pub fn binary(mut self, binary: impl Into<String>) -> Self {
        self.binary = binary.into();
        self
    }

    /// The default user must show this password. The harness itself then does.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Every write is on disk before its answer, so a restarted server has its data.
    #[must_use]
    pub const fn persistent(mut self) -> Self {
        self.persistent = true;
        self
    }

    /// Listens on a unix socket as well ([`Server::unix_socket`]).
    #[must_use]
    pub const fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// More words for the command line: `["--maxmemory", "1mb"]`.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Errors
    ///
    /// [`ServerError::NotInstalled`] if there is no such program, [`ServerError::NotStarted`] or
    /// [`ServerError::NotReady`] if it does not come up.
    pub fn start(self) -> Result<Server, ServerError> {
        Server::with(self)
    }
}
