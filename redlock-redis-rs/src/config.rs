use std::{sync::Arc, time::Duration};

use redis::{
    Client, ConnectionInfo, ProtocolVersion,
    aio::{ConnectionManager, MultiplexedConnection},
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

use redlock_wire::{Audience, Terms};

#[cfg(feature = "cluster")]
use crate::cluster::Seeds;
#[cfg(feature = "sentinel")]
use crate::sentinel::Watched;

/// What a node is made from. Each change to it makes a new node, with a connection of its own.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) label: Arc<str>,
    pub(crate) origin: Origin,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) eviction: Eviction,
    pub(crate) terms: Terms,
    /// Where connections to listen on come from, if not from the origin.
    pub(crate) listening: Option<Client>,
}

/// How to connect to listen, and how long to wait.
pub(crate) struct Settings {
    pub(crate) label: Arc<str>,
    pub(crate) origin: Origin,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
}

/// What becomes of a server that evicts keys when its memory is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eviction {
    Refused,
    Allowed,
}

impl Config {
    pub(crate) fn new(label: impl Into<Arc<str>>, origin: Origin) -> Self {
        Self {
            label: label.into(),
            origin,
            connect_timeout: CONNECT_TIMEOUT,
            response_timeout: RESPONSE_TIMEOUT,
            eviction: Eviction::Refused,
            terms: Terms::default(),
            listening: None,
        }
    }

    /// What it takes to listen, if anything tells where and how to connect.
    pub(crate) fn listening(&self) -> Option<Settings> {
        let origin = match (&self.listening, &self.origin) {
            (Some(client), _) => Origin::Client(client.clone()),
            (None, Origin::Manager(_) | Origin::Multiplexed(_)) => return None,
            (None, origin) => origin.clone(),
        };
        Some(Settings {
            label: Arc::clone(&self.label),
            origin,
            connect_timeout: self.connect_timeout,
            response_timeout: self.response_timeout,
        })
    }

    /// Where those may be who listen.
    pub(crate) const fn audience(&self) -> Audience {
        match self.origin {
            #[cfg(feature = "cluster")]
            Origin::Cluster(_) => Audience::Cluster,
            _ => Audience::Server,
        }
    }
}

/// Where connections come from.
#[derive(Clone)]
pub(crate) enum Origin {
    /// This crate makes them, and makes new ones when they end.
    Client(Client),
    /// The library does.
    Manager(ConnectionManager),
    /// Sentinels tell where.
    #[cfg(feature = "sentinel")]
    Sentinel(Arc<Watched>),
    /// The library connects to all masters that these servers tell of.
    #[cfg(feature = "cluster")]
    Cluster(Seeds),
    /// There is this one, and never another.
    Multiplexed(MultiplexedConnection),
}

impl Origin {
    /// The same servers, spoken to in RESP3.
    pub(crate) fn resp3(&self) -> Self {
        match self {
            Self::Client(client) => {
                let info = resp3(client.get_connection_info().clone());
                // A client made from the settings of a client is that client.
                Self::Client(Client::open(info).unwrap_or_else(|_| client.clone()))
            }
            #[cfg(feature = "sentinel")]
            Self::Sentinel(watched) => Self::Sentinel(watched.reached(resp3).into()),
            #[cfg(feature = "cluster")]
            Self::Cluster(seeds) => Self::Cluster(seeds.reached(resp3)),
            brought_along => brought_along.clone(),
        }
    }

    /// Whether its connections are this crate's own, and each leads to one server.
    pub(crate) const fn is_own(&self) -> bool {
        match self {
            Self::Client(_) => true,
            #[cfg(feature = "sentinel")]
            Self::Sentinel(_) => true,
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => false,
            Self::Manager(_) | Self::Multiplexed(_) => false,
        }
    }

    /// An answer is late.
    pub(crate) fn doubt(&self) {
        #[cfg(feature = "sentinel")]
        if let Self::Sentinel(watched) = self {
            watched.doubt();
        }
    }
}

/// This client, with its settings for TCP as small requests want them.
pub(crate) fn tuned_client(client: Client) -> Client {
    // A client made from the settings of a client is that client; if not, it is better than none.
    Client::open(tuned(client.get_connection_info())).unwrap_or(client)
}

/// The settings of a connection that small requests and quick answers want.
///
/// What the user has set stays; but Nagle's algorithm is always off.
pub(crate) fn tuned(info: &ConnectionInfo) -> ConnectionInfo {
    let mut settings: TcpSettings = info.tcp_settings().clone().set_nodelay(true);
    if settings.keepalive().is_none() {
        // A firewall that has silently forgotten an idle connection costs a vote.
        let probes = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
        settings = settings.set_keepalive(probes);
    }
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    if settings.user_timeout().is_none() {
        // After a partition the kernel sends again at ever longer intervals, up to minutes: the
        // node would come back as much later. A new connection is there at once.
        settings = settings.set_user_timeout(UNACKNOWLEDGED);
    }
    info.clone().set_tcp_settings(settings)
}

/// To be called before a client is made that may connect over TLS.
pub(crate) fn ready_for_tls() {
    #[cfg(feature = "tls")]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Without a provider the first TLS connection would panic. An error means that somebody
        // else has been quicker, and theirs is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

fn resp3(info: ConnectionInfo) -> ConnectionInfo {
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    info.set_redis_settings(settings)
}

// Both bound what a dead server can keep busy, no more: the lock does not wait that long. The first
// is also, with the pause after it, how long a node can stay away after a partition has ended: an
// attempt whose packets were lost must run out before the next one. Together less than a second.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_millis(800);
pub(crate) const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);
const KEEPALIVE_AFTER: Duration = Duration::from_secs(15);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use redis::IntoConnectionInfo;

    use super::*;

    fn with(settings: TcpSettings) -> TcpSettings {
        let info = "redis://h".into_connection_info().unwrap();
        tuned(&info.set_tcp_settings(settings)).tcp_settings().clone()
    }

    #[test]
    fn small_requests_leave_at_once_and_dead_connections_are_found_out() {
        let settings = with(TcpSettings::default());
        assert!(settings.nodelay());
        assert!(settings.keepalive().is_some());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_user_has_set_stays() {
        assert_eq!(with(TcpSettings::default()).user_timeout(), Some(UNACKNOWLEDGED));
        let minute = Duration::from_secs(60);
        let settings = with(TcpSettings::default().set_user_timeout(minute));
        assert_eq!(settings.user_timeout(), Some(minute));
    }
}
