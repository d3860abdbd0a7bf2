use std::fmt;

use fred::types::{
    RespVersion,
    config::{Config as Settings, ServerConfig},
};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

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
    pub(crate) const fn new(problem: &'static str) -> Self {
        Self { problem, position: None }
    }

    /// Which of several urls it is, counted from 1.
    pub(crate) const fn at(self, index: usize) -> Self {
        Self { position: Some(index + 1), ..self }
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "url {position} of the nodes ")?,
            None => f.write_str("the url of the node ")?,
        }
        f.write_str(self.problem)
    }
}

impl std::error::Error for UrlError {}

/// What a url says about where to connect.
pub(crate) fn parse(url: &str) -> Result<Settings, UrlError> {
    parse_with(url, DEFAULT_PORT)
}

/// The same, with a port for urls that name none.
pub(crate) fn parse_with(url: &str, default_port: u16) -> Result<Settings, UrlError> {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    match scheme.to_ascii_lowercase().as_str() {
        "redis" | "valkey" => parse_tcp(url, default_port),
        "rediss" | "valkeys" => parse_tls(url, default_port),
        #[cfg(unix)]
        "unix" | "redis+unix" | "valkey+unix" => parse_unix(url),
        _ => Err(UrlError::new(SCHEME)),
    }
}

#[cfg(feature = "tls")]
fn parse_tls(url: &str, default_port: u16) -> Result<Settings, UrlError> {
    let settings = parse_tcp(url, default_port)?;
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Without a provider the library would panic. An error means that somebody else has been
        // quicker, and theirs is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let connector = fred::types::config::TlsConnector::default_rustls();
    let connector = connector.map_err(|_| UrlError::new(TRUST))?;
    Ok(Settings { tls: Some(connector.into()), ..settings })
}

#[cfg(not(feature = "tls"))]
const fn parse_tls(_: &str, _: u16) -> Result<Settings, UrlError> {
    Err(UrlError::new(TLS))
}

fn parse_tcp(url: &str, default_port: u16) -> Result<Settings, UrlError> {
    let parsed = Url::parse(url).map_err(|_| UrlError::new(SYNTAX))?;
    // What follows an unescaped `/`, `?` or `#` in a password is not seen as part of it, and its
    // beginning passes for a host and a port, which would be shown.
    let rest = [parsed.path(), parsed.query().unwrap_or_default()];
    let fragment = parsed.fragment().unwrap_or_default();
    if rest.iter().any(|rest| rest.contains('@')) || fragment.contains('@') {
        return Err(UrlError::new(ESCAPE));
    }
    match fragment {
        "" => {}
        "insecure" => return Err(UrlError::new(INSECURE)),
        _ => return Err(UrlError::new(FRAGMENT)),
    }
    let host = match parsed.host() {
        // Of these schemes a host is any text, addresses included.
        Some(Host::Domain(host)) if !host.is_empty() => decoded(host)?,
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        _ => return Err(UrlError::new(HOST)),
    };
    let port = parsed.port().unwrap_or(default_port);
    Ok(Settings {
        server: ServerConfig::new_centralized(host, port),
        database: database(parsed.path().trim_matches('/'), DATABASE)?,
        version: version(&parsed)?,
        ..credentials(parsed.username(), parsed.password())?
    })
}

#[cfg(unix)]
fn parse_unix(url: &str) -> Result<Settings, UrlError> {
    let parsed = Url::parse(url).map_err(|_| UrlError::new(SYNTAX))?;
    let path = decoded(parsed.path())?;
    let elsewhere = parsed.host_str().is_some_and(|host| !host.is_empty());
    if elsewhere || path.trim_matches('/').is_empty() || parsed.fragment().is_some() {
        return Err(UrlError::new(PATH));
    }
    let value = |key| value(&parsed, key);
    Ok(Settings {
        server: ServerConfig::new_unix_socket(path),
        database: database(&value("db").unwrap_or_default(), PATH)?,
        version: version(&parsed)?,
        username: value("user"),
        password: value("pass").or_else(|| value("user").map(|_| ANY.to_owned())),
        ..Settings::default()
    })
}

fn credentials(username: &str, password: Option<&str>) -> Result<Settings, UrlError> {
    let username = if username.is_empty() { None } else { Some(decoded(username)?) };
    let password = match password {
        Some(password) => Some(decoded(password)?),
        None => username.as_ref().map(|_| ANY.to_owned()),
    };
    Ok(Settings { username, password, ..Settings::default() })
}

fn database(text: &str, problem: &'static str) -> Result<Option<u8>, UrlError> {
    match text {
        "" | "0" => Ok(None),
        number => number.parse().map(Some).map_err(|_| UrlError::new(problem)),
    }
}

fn version(url: &Url) -> Result<RespVersion, UrlError> {
    match value(url, "protocol").as_deref().unwrap_or("resp2") {
        "2" | "resp2" => Ok(RespVersion::RESP2),
        "3" | "resp3" => Ok(RespVersion::RESP3),
        _ => Err(UrlError::new(SETTINGS)),
    }
}

fn value(url: &Url, wanted: &str) -> Option<String> {
    let found = url.query_pairs().find(|(key, _)| key == wanted);
    found.map(|(_, value)| value.into_owned())
}

fn decoded(text: &str) -> Result<String, UrlError> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| UrlError::new(SETTINGS))?;
    Ok(text.into_owned())
}

pub(crate) const DEFAULT_PORT: u16 = 6379;
/// Without a password the library would not log in, and with an empty one it makes mistakes. A user
/// for whom the server has none may show whatever there is.
const ANY: &str = "any";
const SCHEME: &str = "does not start with redis://, rediss:// or unix://";
#[cfg(not(feature = "tls"))]
const TLS: &str = "starts with rediss://, which needs the feature `tls`";
#[cfg(feature = "tls")]
const TRUST: &str = "starts with rediss://, and what this machine trusts cannot be read";
const SYNTAX: &str = "does not parse: a port that is no number, or a password whose special \
                      characters are not percent-encoded";
const ESCAPE: &str = "has an `@` after its host: special characters of a password must be \
                      percent-encoded";
const FRAGMENT: &str = "has a `#` part that is not understood";
const INSECURE: &str = "asks for TLS without trust, which only a configuration can";
const HOST: &str = "names no host";
const DATABASE: &str = "has a path that is not the number of a database, 0 to 255";
#[cfg(unix)]
const PATH: &str = "names no path of a socket, or a database that is not a number, 0 to 255";
const SETTINGS: &str = "has a host, a user, a password or a protocol that cannot be used";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::label;

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
            #[cfg(unix)]
            ("unix:///run/r.sock", "unix:/run/r.sock/0"),
            #[cfg(unix)]
            ("unix:///run/r.sock?db=1&user=u&pass=secret", "unix:/run/r.sock/1"),
        ] {
            assert_eq!(labelled(url), expected);
        }
    }

    #[test]
    fn all_that_a_url_says_is_heard() {
        let settings = parse("REDIS://u%40:p%2Fw@h/255?protocol=3").unwrap();
        assert_eq!(settings.username.as_deref(), Some("u@"));
        assert_eq!(settings.password.as_deref(), Some("p/w"));
        assert_eq!((settings.database, settings.version), (Some(255), RespVersion::RESP3));

        let settings = parse("redis://h").unwrap();
        assert_eq!((settings.username, settings.password), (None, None));
        assert_eq!((settings.database, settings.version), (None, RespVersion::RESP2));
        assert_eq!(parse("redis://u@h").unwrap().password.as_deref(), Some(ANY));

        #[cfg(unix)]
        {
            let settings = parse("redis+unix:///a%20b?db=7&user=u&pass=p%26&protocol=resp3");
            let settings = settings.unwrap();
            assert_eq!(settings.server, ServerConfig::new_unix_socket("/a b"));
            assert_eq!(settings.username.as_deref(), Some("u"));
            assert_eq!(settings.password.as_deref(), Some("p&"));
            assert_eq!((settings.database, settings.version), (Some(7), RespVersion::RESP3));
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
            ("redis://h/256", DATABASE),
            ("redis://h#secret", FRAGMENT),
            ("redis://:secret@h#insecure", INSECURE),
            ("redis://h?protocol=secret", SETTINGS),
            ("redis://:%FFsecret@h", SETTINGS),
            #[cfg(unix)]
            ("unix://secret@host/path", PATH),
            #[cfg(unix)]
            ("unix:///path?db=secret", PATH),
            #[cfg(unix)]
            ("unix://", PATH),
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
            "url 2 of the nodes does not start with redis://, rediss:// or unix://"
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
