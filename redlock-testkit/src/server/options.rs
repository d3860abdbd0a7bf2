use std::{env, fmt, path::PathBuf};

use super::{Server, ServerError, user::User};

/// How a server is started.
#[derive(Clone)]
pub struct Options {
    pub(super) binary: String,
    pub(super) password: Option<String>,
    pub(super) persistent: bool,
    pub(super) unix_socket: bool,
    /// A file of settings; what else is said here stands above it.
    pub(super) config_file: Option<PathBuf>,
    pub(super) tls: bool,
    pub(super) users: Vec<User>,
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
            tls: false,
            users: Vec::new(),
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

    /// Speaks TLS, and nothing else, on its port; the certificate is made for this server, and
    /// clients trust it by [`Server::certificate`].
    ///
    /// Needs `openssl`, and a server that was built with TLS, as Debian's is.
    #[must_use]
    pub const fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// One more user, with rules as `ACL SETUSER` has them: `["~lock:*", "+@all", "-set"]`.
    ///
    /// Clients get its url from [`Server::url_of`]. The harness itself stays the default user.
    #[must_use]
    pub fn user<R: Into<String>>(
        mut self,
        name: impl Into<String>,
        password: impl Into<String>,
        rules: impl IntoIterator<Item = R>,
    ) -> Self {
        let rules = rules.into_iter().map(Into::into).collect();
        self.users.push(User { name: name.into(), password: password.into(), rules });
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
    /// [`ServerError::NotReady`] if it does not come up, [`ServerError::NoOpenssl`] or
    /// [`ServerError::NoCertificate`] if TLS was asked for and cannot be had.
    pub fn start(self) -> Result<Server, ServerError> {
        Server::with(self)
    }
}

/// Without the passwords.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("binary", &self.binary)
            .field("persistent", &self.persistent)
            .field("unix_socket", &self.unix_socket)
            .field("tls", &self.tls)
            .field("users", &self.users)
            .finish_non_exhaustive()
    }
}
