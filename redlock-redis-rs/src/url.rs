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
