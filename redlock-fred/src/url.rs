use fred::types::{
    RespVersion,
    config::{Config as Settings, ServerConfig},
};
use percent_encoding::percent_decode_str;
use redlock_wire::{ServerUrl, Transport, UrlError, UrlProblem};
use url::{Host, Url};

/// What a url says about where to connect.
pub(crate) fn parse(url: &str) -> Result<Settings, UrlError> {
    parse_with(url, DEFAULT_PORT)
}

/// The same, with a port for urls that name none.
pub(crate) fn parse_with(url: &str, default_port: u16) -> Result<Settings, UrlError> {
    let parsed = ServerUrl::parse(url)?;
    let url = parsed.url();
    let settings = match parsed.transport() {
        Transport::Tcp => to_host(url, default_port)?,
        Transport::Tls { insecure: true } => return Err(UrlProblem::Insecure.into()),
        Transport::Tls { insecure: false } => with_tls(to_host(url, default_port)?)?,
        Transport::Unix => to_socket(url)?,
    };
    let database = match parsed.database() {
        0 => None,
        number => Some(u8::try_from(number).map_err(|_| UrlProblem::HighDatabase)?),
    };
    Ok(Settings { database, version: version(url)?, ..settings })
}

#[cfg(feature = "tls")]
fn with_tls(settings: Settings) -> Result<Settings, UrlProblem> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Without a provider the library would panic. An error means that somebody else has been
        // quicker, and theirs is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let connector = fred::types::config::TlsConnector::default_rustls();
    let connector = connector.map_err(|_| UrlProblem::NoTrust)?;
    Ok(Settings { tls: Some(connector.into()), ..settings })
}

#[cfg(not(feature = "tls"))]
fn with_tls(_: Settings) -> Result<Settings, UrlProblem> {
    Err(UrlProblem::NoTls)
}

fn to_host(url: &Url, default_port: u16) -> Result<Settings, UrlProblem> {
    let host = match url.host() {
        // Of these schemes a host is any text, addresses included.
        Some(Host::Domain(host)) => decoded(host)?,
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => return Err(UrlProblem::Host),
    };
    let username = match url.username() {
        "" => None,
        username => Some(decoded(username)?),
    };
    let password = match url.password() {
        Some(password) => Some(decoded(password)?),
        None => username.as_ref().map(|_| ANY.to_owned()),
    };
    let server = ServerConfig::new_centralized(host, url.port().unwrap_or(default_port));
    Ok(Settings { server, username, password, ..Settings::default() })
}

#[cfg(unix)]
fn to_socket(url: &Url) -> Result<Settings, UrlProblem> {
    Ok(Settings {
        server: ServerConfig::new_unix_socket(decoded(url.path())?),
        username: value(url, "user"),
        password: value(url, "pass").or_else(|| value(url, "user").map(|_| ANY.to_owned())),
        ..Settings::default()
    })
}

/// There is no such url where there are no such sockets.
#[cfg(not(unix))]
const fn to_socket(_: &Url) -> Result<Settings, UrlProblem> {
    Err(UrlProblem::Scheme)
}

fn version(url: &Url) -> Result<RespVersion, UrlProblem> {
    match value(url, "protocol").as_deref().unwrap_or("resp2") {
        "2" | "resp2" => Ok(RespVersion::RESP2),
        "3" | "resp3" => Ok(RespVersion::RESP3),
        _ => Err(UrlProblem::Settings),
    }
}

fn value(url: &Url, wanted: &str) -> Option<String> {
    let found = url.query_pairs().find(|(key, _)| key == wanted);
    found.map(|(_, value)| value.into_owned())
}

fn decoded(text: &str) -> Result<String, UrlProblem> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| UrlProblem::Settings)?;
    Ok(text.into_owned())
}

pub(crate) const DEFAULT_PORT: u16 = 6379;
/// Without a password the library would not log in, and with an empty one it makes mistakes. A user
/// for whom the server has none may show whatever there is.
const ANY: &str = "any";

#[cfg(test)]
mod tests {
    use super::*;

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
}
