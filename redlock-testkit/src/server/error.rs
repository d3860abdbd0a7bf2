use std::{io, sync::Arc, time::Duration};

/// Why a server is not there, or did not do as told.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// There is no such program.
    #[error(
        "no program `{binary}` to run tests on: install it (Debian: apt-get install \
         redis-server), or name another one in REDLOCKS_SERVER"
    )]
    NotInstalled {
        /// The program that was looked for.
        binary: String,
    },
    /// The program could not be run, or its folder not be made.
    #[error("the server could not be started: {0}")]
    NotStarted(#[source] Arc<io::Error>),
    /// A certificate was wanted, and there is no `openssl` to make it.
    #[error(
        "no program `openssl` to make the certificate of a server with: install it (Debian: \
         apt-get install openssl), or start the server without TLS"
    )]
    NoOpenssl,
    /// `openssl` made no certificate.
    #[error("openssl made no certificate: {0}")]
    NoCertificate(String),
    /// What was waited for did not happen within ten seconds.
    #[error("waited in vain for {0}")]
    Late(&'static str),
    /// It ended, or gave no answer in time; its log tells more.
    #[error("the server on port {port} did not come up; its log ends with: {log}")]
    NotReady {
        /// The port it was to listen on.
        port: u16,
        /// The last lines of its log.
        log: String,
    },
    /// Several servers that are up did not become what they were to be together.
    #[error("the servers on the ports {ports:?} did not agree within {patience:?} on {what}")]
    NotAgreed {
        /// The ports they listen on.
        ports: Vec<u16>,
        /// How long they had.
        patience: Duration,
        /// What was waited for.
        what: String,
    },
    /// It answered a command with an error, or not at all.
    #[error("the server on port {port} did not carry the command out: {source}")]
    Command {
        /// The port it listens on.
        port: u16,
        /// What it answered.
        source: redis::RedisError,
    },
}

impl ServerError {
    /// Of those that are asked for, none is to be started.
    pub(super) fn nothing_to_start(why: &'static str) -> Self {
        Self::NotStarted(Arc::new(io::Error::new(io::ErrorKind::InvalidInput, why)))
    }
}
