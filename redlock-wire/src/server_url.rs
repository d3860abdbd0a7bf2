use std::fmt;

use url::Url;

use crate::{UrlError, UrlProblem};

/// A url that leads to a server, as far as every client library takes it alike.
///
/// `redis://[[user]:password@]host[:port][/database]`, `rediss://…` for TLS, or
/// `unix:///path?db=…&user=…&pass=…`, each also with a `protocol=resp3` after the `?`; `valkey`
/// stands for `redis`. Any other setting there is refused: a `?db=3` that some libraries hear and
/// others do not would be two locks of one name.
///
/// It is checked before a library sees it: the libraries take a part of a password that is not
/// escaped for a host or a path, which they then show, and their own errors may quote the url.
#[derive(Clone)]
pub struct ServerUrl {
    transport: Transport,
    database: u32,
    url: Url,
}

/// The way to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// To a host and port.
    Tcp,
    /// To a host and port, encrypted.
    Tls {
        /// Whoever answers is believed to be the server (`#insecure`).
        insecure: bool,
    },
    /// Through a socket of this machine.
    Unix,
}

impl ServerUrl {
    /// The url that this text is.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if the text cannot be one, which does not show it.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        let parse = || Url::parse(text).map_err(|_| UrlProblem::Syntax);
        Ok(match scheme.to_ascii_lowercase().as_str() {
            "redis" | "valkey" => Self::of_host(parse()?, Transport::Tcp)?,
            "rediss" | "valkeys" => {
                let url = parse()?;
                let insecure = url.fragment() == Some("insecure");
                Self::of_host(url, Transport::Tls { insecure })?
            }
            #[cfg(unix)]
            "unix" | "redis+unix" | "valkey+unix" => Self::of_socket(parse()?)?,
            _ => return Err(UrlProblem::Scheme.into()),
        })
    }

    fn of_host(url: Url, transport: Transport) -> Result<Self, UrlProblem> {
        // What follows an unescaped `/`, `?` or `#` in a password is not seen as part of it, and
        // its beginning passes for a host and a port, which would be shown.
        let rest = [Some(url.path()), url.query(), url.fragment()];
        if rest.into_iter().flatten().any(|part| part.contains('@')) {
            return Err(UrlProblem::Unescaped);
        }
        let understood = transport == Transport::Tls { insecure: true };
        if !understood && url.fragment().is_some_and(|fragment| !fragment.is_empty()) {
            return Err(UrlProblem::Fragment);
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(UrlProblem::Host);
        }
        if !has_only(&url, &["protocol"]) {
            return Err(UrlProblem::Query);
        }
        let database = number(url.path().trim_matches('/')).ok_or(UrlProblem::Database)?;
        Ok(Self { transport, database, url })
    }

    #[cfg(unix)]
    fn of_socket(url: Url) -> Result<Self, UrlProblem> {
        if url.fragment().is_some_and(|fragment| !fragment.is_empty()) {
            return Err(UrlProblem::Fragment);
        }
        let elsewhere = url.host_str().is_some_and(|host| !host.is_empty());
        if elsewhere || url.path().trim_matches('/').is_empty() {
            return Err(UrlProblem::SocketPath);
        }
        if !has_only(&url, &["db", "user", "pass", "protocol"]) {
            return Err(UrlProblem::Query);
        }
        let database = url.query_pairs().find(|(key, _)| key == "db");
        let database = database.map_or(Some(0), |(_, text)| text.parse().ok());
        let database = database.ok_or(UrlProblem::SocketPath)?;
        Ok(Self { transport: Transport::Unix, database, url })
    }

    /// The way to the server.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// The number of the database; 0 unless the url names one.
    #[must_use]
    pub const fn database(&self) -> u32 {
        self.database
    }

    /// The rest, percent-encoded as it was written.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }
}

/// Nothing of the text: it may have a password.
impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerUrl")
            .field("transport", &self.transport)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// Whether the settings after the `?` are some of these, each once: of two the libraries take one
/// or the other.
fn has_only(url: &Url, known: &[&str]) -> bool {
    let keys = || url.query_pairs().map(|(key, _)| key);
    keys().enumerate().all(|(place, key)| {
        known.contains(&&*key) && keys().take(place).all(|before| before != key)
    })
}

fn number(text: &str) -> Option<u32> {
    if text.is_empty() { Some(0) } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_and_the_database_are_heard() {
        for (text, transport, database) in [
            ("redis://h", Transport::Tcp, 0),
            ("REDIS://:se%2Fcr%40et@h:7001/", Transport::Tcp, 0),
            ("valkey://[::1]:7001/3?protocol=resp3", Transport::Tcp, 3),
            ("rediss://h/4#", Transport::Tls { insecure: false }, 4),
            ("redis://h?", Transport::Tcp, 0),
            ("valkeys://u:p@h/#insecure", Transport::Tls { insecure: true }, 0),
            #[cfg(unix)]
            ("unix:///run/r.sock", Transport::Unix, 0),
            #[cfg(unix)]
            ("redis+unix:///run/r.sock?db=1&user=u&pass=p%40", Transport::Unix, 1),
        ] {
            let url = ServerUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((url.transport(), url.database()), (transport, database), "{text}");
            assert!(!format!("{url:?}").contains("se%2F"), "{url:?}");
        }
    }

    #[test]
    fn a_url_that_is_no_good_is_named_by_its_problem_and_never_shown() {
        for (url, problem) in [
            ("", UrlProblem::Scheme),
            ("secret", UrlProblem::Scheme),
            ("http://:secret@h", UrlProblem::Scheme),
            (":secret@h:6379", UrlProblem::Scheme),
            ("secret://h", UrlProblem::Scheme),
            ("redis://:sec/ret@h", UrlProblem::Syntax),
            ("redis://u:sec/ret@h", UrlProblem::Syntax),
            ("redis://u:sec?ret@h", UrlProblem::Syntax),
            ("redis://u:sec#ret@h", UrlProblem::Syntax),
            ("redis://u:123/secret@h", UrlProblem::Unescaped),
            ("redis://u:123?secret@h", UrlProblem::Unescaped),
            ("redis://u:123#secret@h", UrlProblem::Unescaped),
            ("redis://:secret@h:port", UrlProblem::Syntax),
            ("redis://:secret@h:99999", UrlProblem::Syntax),
            ("redis://:secret@", UrlProblem::Syntax),
            ("redis:///secret", UrlProblem::Host),
            ("redis://h/secret", UrlProblem::Database),
            ("redis://h/-1", UrlProblem::Database),
            ("redis://h?db=3", UrlProblem::Query),
            ("redis://h/2?db=3", UrlProblem::Query),
            ("redis://h?protocol=resp3&secret", UrlProblem::Query),
            ("redis://h?protocol=resp3&protocol=resp2", UrlProblem::Query),
            ("redis://h?Protocol=resp3", UrlProblem::Query),
            ("rediss://h?password=secret", UrlProblem::Query),
            ("redis://h#secret", UrlProblem::Fragment),
            ("redis://:secret@h#insecure", UrlProblem::Fragment),
            ("rediss://h/#secret", UrlProblem::Fragment),
            #[cfg(unix)]
            ("unix:///secret#secret", UrlProblem::Fragment),
            #[cfg(unix)]
            ("unix://secret@host/path", UrlProblem::SocketPath),
            #[cfg(unix)]
            ("unix:///path?db=secret", UrlProblem::SocketPath),
            #[cfg(unix)]
            ("unix:///path?db=", UrlProblem::SocketPath),
            #[cfg(unix)]
            ("unix:///path?db=1&db=2", UrlProblem::Query),
            #[cfg(unix)]
            ("unix:///path?password=secret", UrlProblem::Query),
            #[cfg(unix)]
            ("unix://", UrlProblem::SocketPath),
        ] {
            let Err(error) = ServerUrl::parse(url) else { panic!("taken: {url}") };
            assert_eq!(error.problem(), problem, "{url}");
            for shown in [error.to_string(), format!("{error:?}"), error.at(1).to_string()] {
                assert!(!shown.contains("secret"), "{url}: {shown}");
                assert!(!shown.contains("123"), "{url}: {shown}");
            }
            assert!(std::error::Error::source(&error).is_none());
        }
    }
}
