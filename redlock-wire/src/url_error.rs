use std::fmt;

/// Why a url cannot be used for a node.
///
/// Says what is wrong, and nothing that was in the url: any part of a url that is not understood
/// may be a piece of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlError {
    problem: UrlProblem,
    position: Option<usize>,
}

impl UrlError {
    /// The same, of one among several urls: of the one with this index, which is shown counted
    /// from 1.
    #[must_use]
    pub const fn at(self, index: usize) -> Self {
        Self { position: Some(index.saturating_add(1)), ..self }
    }

    /// What is wrong with the url.
    #[must_use]
    pub const fn problem(&self) -> UrlProblem {
        self.problem
    }
}

impl From<UrlProblem> for UrlError {
    fn from(problem: UrlProblem) -> Self {
        Self { problem, position: None }
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "url {position} {}", self.problem),
            None => write!(f, "the url of the node {}", self.problem),
        }
    }
}

impl std::error::Error for UrlError {}

/// What can be wrong with a url, or with several that belong together; shown as the end of a
/// sentence that begins with the url's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlProblem {
    /// Its scheme is not one for Redis.
    Scheme,
    /// It asks for TLS, and the adapter was built without.
    NoTls,
    /// It asks for TLS, and the certificates that this machine trusts cannot be read.
    NoTrust,
    /// It asks for TLS without trust, which the adapter does not do for a url.
    Insecure,
    /// It is no url.
    Syntax,
    /// What passes for its path, query or fragment has an `@`: very likely the rest of a password.
    Unescaped,
    /// It has a setting after its `?` that means nothing there, or one twice.
    Query,
    /// It has a `#` part that means nothing.
    Fragment,
    /// It names no host.
    Host,
    /// Its path is not the number of a database.
    Database,
    /// Its database has a number that the client library cannot say.
    HighDatabase,
    /// It names no path of a socket, or its `db` is not a number.
    SocketPath,
    /// Something else in it is not to the liking of the client library.
    Settings,
    /// There must be at least one, and there is none.
    Missing,
    /// It leads to a socket, where a host is needed.
    Socket,
    /// It differs from the first of several in more than host and port.
    Mixed,
    /// It is one of a cluster, and names a database.
    ClusterDatabase,
    /// The master that sentinels are asked for has an empty name.
    NamelessMaster,
    /// The master is with TLS and its sentinels are not, or the other way round.
    HalfTls,
}

impl fmt::Display for UrlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "does not start with redis://, rediss:// or unix://",
            Self::NoTls => "starts with rediss://, which needs the feature `tls`",
            Self::NoTrust => "starts with rediss://, and what this machine trusts cannot be read",
            Self::Insecure => "asks for TLS without trust, which only a configuration can",
            Self::Syntax => {
                "does not parse: a port that is no number, or a password whose special characters \
                 are not percent-encoded"
            }
            Self::Unescaped => {
                "has an `@` after its host: special characters of a password must be \
                 percent-encoded"
            }
            Self::Query => {
                "has a setting after its `?` that is not understood: that of a host is `protocol`, \
                 its database is its path; those of a socket are `db`, `user`, `pass` and `protocol`"
            }
            Self::Fragment => "has a `#` part that is not understood",
            Self::Host => "names no host",
            Self::Database => "has a path that is not the number of a database",
            Self::HighDatabase => "names a database beyond 255, the last that the client can name",
            Self::SocketPath => "names no path of a socket, or a database that is not a number",
            Self::Settings => "has a host, a user, a password or a protocol that cannot be used",
            Self::Missing => "is missing: there must be at least one",
            Self::Socket => "is that of a socket, where a host is needed",
            Self::Mixed => "differs from the first in more than host and port",
            Self::ClusterDatabase => "names a database, and a cluster has none but 0",
            Self::NamelessMaster => "is for the master of an empty name, which no sentinel knows",
            Self::HalfTls => "is with TLS or without it, unlike those of the sentinels",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_says_which_of_several_urls_it_is() {
        let error = UrlError::from(UrlProblem::Host);
        assert_eq!(error.to_string(), "the url of the node names no host");
        assert_eq!(error.at(1).to_string(), "url 2 names no host");
        assert_eq!(error.at(usize::MAX).problem(), UrlProblem::Host);
    }
}
