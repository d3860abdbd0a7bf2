use redis::{Client, ConnectionAddr, ConnectionInfo};
use redlock_wire::{ServerUrl, Transport, UrlError, UrlProblem};

/// What a url says about where to connect.
pub(crate) fn parse(url: &str) -> Result<ConnectionInfo, UrlError> {
    parse_with(url, DEFAULT_PORT)
}

/// The same, with a port for urls that name none.
pub(crate) fn parse_with(url: &str, default_port: u16) -> Result<ConnectionInfo, UrlError> {
    let parsed = ServerUrl::parse(url)?;
    if matches!(parsed.transport(), Transport::Tls { .. }) && !cfg!(feature = "tls") {
        return Err(UrlProblem::NoTls.into());
    }
    if parsed.transport() == (Transport::Tls { insecure: true }) {
        // The library takes the url, and then refuses each connection unless it was built to trust
        // whoever answers. A lock in the hands of whoever answers is none.
        return Err(UrlProblem::Insecure.into());
    }
    // The library's own text may quote the url.
    let client = Client::open(url).map_err(|_| UrlProblem::Settings)?;
    let info = client.get_connection_info().clone();
    let port = parsed.url().port().unwrap_or(default_port);
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
            (":secret@h:6379", UrlProblem::Scheme),
            ("redis://:sec/ret@h", UrlProblem::Syntax),
            ("redis://u:123/secret@h", UrlProblem::Unescaped),
            ("redis://h/secret", UrlProblem::Database),
            ("redis://h?protocol=secret", UrlProblem::Settings),
            ("redis://:%FFsecret@h", UrlProblem::Settings),
            ("redis://:secret@0.0.0.0", UrlProblem::Settings),
            #[cfg(unix)]
            ("unix:///path?db=secret", UrlProblem::SocketPath),
            #[cfg(unix)]
            ("unix:///path?protocol=secret", UrlProblem::Settings),
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.problem(), problem, "{url}");
            for shown in [error.to_string(), format!("{error:?}"), error.at(1).to_string()] {
                assert!(!shown.contains("secret"), "{url}: {shown}");
                assert!(!shown.contains("123"), "{url}: {shown}");
            }
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_without_its_feature_is_refused() {
        let error = parse("rediss://:secret@h").unwrap_err();
        assert_eq!(error.problem(), UrlProblem::NoTls);
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_has_the_same_labels() {
        assert_eq!(labelled("rediss://u:secret@h/1"), "h:6379/1");
        assert_eq!(parse("rediss://h/#secret").unwrap_err().problem(), UrlProblem::Fragment);
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_without_trust_is_refused_before_anybody_is_asked() {
        for url in ["rediss://:secret@h/#insecure", "valkeys://:secret@h/1#insecure"] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.problem(), UrlProblem::Insecure, "{url}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
