use std::fmt;

use redis::{Client, ConnectionAddr, ConnectionInfo};

/// Why a url cannot be used for a node.
///
/// Says what is wrong, and nothing that was in the url: any part of a url that is not understood
/// may be a piece of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlError {
    problem: &'static str,
    position: Option<usize>,
}

impl UrlError {
    /// For settings that were taken first and refused later.
    pub(crate) const UNUSABLE: Self = Self { problem: SETTINGS, position: None };

    /// For a node that has several urls and was given none.
    #[cfg(any(feature = "cluster", feature = "sentinel"))]
    pub(crate) const MISSING: Self = Self { problem: NONE, position: None };

    /// For a master without a name.
    #[cfg(feature = "sentinel")]
    pub(crate) const NAMELESS: Self = Self { problem: NAMELESS, position: None };

    /// For a master that is to be looked for by name, and not where this url says.
    #[cfg(feature = "sentinel")]
    pub(crate) const SOCKET: Self = Self { problem: SOCKET, position: None };

    /// For several urls that cannot be of one cluster.
    #[cfg(feature = "cluster")]
    pub(crate) const MIXED: Self = Self { problem: DIFFERENT, position: None };

    /// Which of several urls it is, counted from 1.
    pub(crate) const fn at(self, index: usize) -> Self {
        Self { position: Some(index + 1), ..self }
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "url {position} ")?,
            None => f.write_str("the url of the node ")?,
        }
        f.write_str(self.problem)
    }
}

impl std::error::Error for UrlError {}

/// What a url says about where to connect.
pub(crate) fn parse(url: &str) -> Result<ConnectionInfo, UrlError> {
    parse_with(url, DEFAULT_PORT)
}

/// The same, with a port for urls that name none.
pub(crate) fn parse_with(url: &str, default_port: u16) -> Result<ConnectionInfo, UrlError> {
    let fail = |problem| UrlError { problem, position: None };
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    let (unix, tls) = match scheme.to_ascii_lowercase().as_str() {
        "redis" | "valkey" => (false, false),
        "rediss" | "valkeys" => (false, true),
        "unix" | "redis+unix" | "valkey+unix" => (true, false),
        _ => return Err(fail(SCHEME)),
    };
    if tls && !cfg!(feature = "tls") {
        return Err(fail(TLS));
    }
    let parsed = redis::parse_redis_url(url).ok_or_else(|| fail(SYNTAX))?;
    // What follows an unescaped `/`, `?` or `#` in a password is not seen as part of it, and its
    // beginning passes for a host and a port, which would be shown.
    let rest = [parsed.path(), parsed.query().unwrap_or_default()];
    let fragment = parsed.fragment().unwrap_or_default();
    if !unix && (rest.iter().any(|rest| rest.contains('@')) || fragment.contains('@')) {
        return Err(fail(ESCAPE));
    }
    let understood = tls && fragment == "insecure";
    if !fragment.is_empty() && !understood {
        return Err(fail(FRAGMENT));
    }
    if !unix {
        if parsed.host_str().is_none_or(str::is_empty) {
            return Err(fail(HOST));
        }
        let database = parsed.path().trim_matches('/');
        if !database.is_empty() && database.parse::<u32>().is_err() {
            return Err(fail(DATABASE));
        }
    }
    // The library's own text may quote the url.
    let client = Client::open(url).map_err(|_| fail(if unix { PATH } else { SETTINGS }))?;
    let info = client.get_connection_info().clone();
    let port = parsed.port().unwrap_or(default_port);
    Ok(match info.addr().clone() {
        ConnectionAddr::Tcp(host, _) => info.set_addr(ConnectionAddr::Tcp(host, port)),
        ConnectionAddr::TcpTls { host, insecure, tls_params, .. } => {
            info.set_addr(ConnectionAddr::TcpTls { host, port, insecure, tls_params })
        }
        _ => info,
    })
}

/// The name of a node in errors and logs: where it is, never who connects there.
pub(crate) fn label(info: &ConnectionInfo) -> String {
    let database = info.redis_settings().db();
    match info.addr() {
        ConnectionAddr::Unix(path) => format!("unix:{}/{database}", path.display()),
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            if host.contains(':') {
                format!("[{host}]:{port}/{database}")
            } else {
                format!("{host}:{port}/{database}")
            }
        }
        // A kind of address that the library has got since.
        other => format!("{other}/{database}"),
    }
}

pub(crate) const DEFAULT_PORT: u16 = 6379;
#[cfg(feature = "sentinel")]
const NAMELESS: &str = "is for the master of an empty name, which no sentinel knows";
#[cfg(feature = "sentinel")]
const SOCKET: &str = "is that of a socket, where sentinels tell a host and port";
#[cfg(any(feature = "cluster", feature = "sentinel"))]
const NONE: &str = "is missing: there must be at least one";
#[cfg(feature = "cluster")]
const DIFFERENT: &str = "is one of several for a cluster that differ in user, password, TLS, \
                         database or protocol, or is a unix socket";
const SCHEME: &str = "does not start with redis://, rediss:// or unix://";
const TLS: &str = "starts with rediss://, which needs the feature `tls`";
const SYNTAX: &str = "does not parse: a port that is no number, or a password whose special \
                      characters are not percent-encoded";
const ESCAPE: &str = "has an `@` after its host: special characters of a password must be \
                      percent-encoded";
const FRAGMENT: &str = "has a `#` part that is not understood";
const HOST: &str = "names no host";
const DATABASE: &str = "has a path that is not the number of a database";
const PATH: &str = "names no path of a socket, or a database that is not a number";
const SETTINGS: &str = "has a host, a user, a password or a protocol that cannot be used";

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(url: &str) -> String {
        label(&parse(url).unwrap())
    }

    #[test]
    fn a_label_says_where_and_not_who() {
        for (url, expected) in [
            ("redis://127.0.0.1:7001", "127.0.0.1:7001/0"),
            ("redis://127.0.0.1:7001/0", "127.0.0.1:7001/0"),
            ("redis://example.org/3", "example.org:6379/3"),
            ("redis://user:secret@h:1/2", "h:1/2"),
            ("redis://:secret@h", "h:6379/0"),
            ("redis://:se%2Fcr%40et@h", "h:6379/0"),
            ("redis://[::1]:7001", "[::1]:7001/0"),
            ("valkey://h?protocol=resp3", "h:6379/0"),
            ("unix:///run/r.sock", "unix:/run/r.sock/0"),
            ("unix:///run/r.sock?db=1&user=u&pass=secret", "unix:/run/r.sock/1"),
        ] {
            assert_eq!(labelled(url), expected);
        }
    }

    #[test]
    fn a_url_that_is_no_good_is_named_by_its_problem_and_never_shown() {
        for (url, problem) in [
            ("", SCHEME),
            ("secret", SCHEME),
            ("http://:secret@h", SCHEME),
            (":secret@h:6379", SCHEME),
            ("secret://h", SCHEME),
            ("redis://:sec/ret@h", SYNTAX),
            ("redis://u:sec/ret@h", SYNTAX),
            ("redis://u:sec?ret@h", SYNTAX),
            ("redis://u:sec#ret@h", SYNTAX),
            ("redis://u:123/secret@h", ESCAPE),
            ("redis://u:123?secret@h", ESCAPE),
            ("redis://u:123#secret@h", ESCAPE),
            ("redis://:secret@h:port", SYNTAX),
            ("redis://:secret@h:99999", SYNTAX),
            ("redis://:secret@", SYNTAX),
            ("redis:///secret", HOST),
            ("redis://h/secret", DATABASE),
            ("redis://h/-1", DATABASE),
            ("redis://h#secret", FRAGMENT),
            ("redis://h?protocol=secret", SETTINGS),
            ("redis://:%FFsecret@h", SETTINGS),
            ("redis://:secret@0.0.0.0", SETTINGS),
            ("unix://secret@host/path", PATH),
            ("unix:///path?db=secret", PATH),
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.problem, problem, "{url}");
            for shown in [error.to_string(), format!("{error:?}"), error.at(1).to_string()] {
                assert!(!shown.contains("secret"), "{url}: {shown}");
                assert!(!shown.contains("123"), "{url}: {shown}");
            }
            assert!(std::error::Error::source(&error).is_none());
        }
    }

    #[test]
    fn the_error_says_which_of_several_urls_it_is() {
        assert_eq!(
            parse("h").unwrap_err().at(1).to_string(),
            "url 2 does not start with redis://, rediss:// or unix://"
        );
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_without_its_feature_is_refused() {
        let error = parse("rediss://:secret@h").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the url of the node starts with rediss://, which needs the feature `tls`"
        );
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_has_the_same_labels() {
        assert_eq!(labelled("rediss://u:secret@h/1"), "h:6379/1");
        assert_eq!(parse("rediss://h/#secret").unwrap_err().problem, FRAGMENT);
    }
}
