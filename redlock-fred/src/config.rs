use std::{sync::Arc, time::Duration};

use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::{
        RespVersion,
        config::{Config as Settings, ConnectionConfig, Options, Server, ServerConfig, TcpConfig},
    },
};
use redlock_wire::{Audience, Terms, Voting};
use socket2::TcpKeepalive;

/// What a node is made from. Each change to it makes a new node, with a connection of its own.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) label: Arc<str>,
    pub(crate) origin: Origin,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) eviction: Eviction,
    pub(crate) terms: Terms,
    /// What the node that is made from this remembers of votes.
    pub(crate) voting: Arc<Voting>,
}

/// What becomes of a server that evicts keys when its memory is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eviction {
    Refused,
    Allowed,
}

impl Config {
    pub(crate) fn new(label: impl Into<Arc<str>>, origin: Origin) -> Self {
        let terms = Terms::default();
        Self {
            label: label.into(),
            origin,
            connect_timeout: CONNECT_TIMEOUT,
            response_timeout: RESPONSE_TIMEOUT,
            eviction: Eviction::Refused,
            terms,
            voting: Arc::new(Voting::new(terms, RESPONSE_TIMEOUT, Audience::Server)),
        }
    }

    /// How each command is sent, whatever the client's own settings say.
    ///
    /// A command is never sent again after its connection has ended. A client of the user's must
    /// not even try: it may reconnect long after the caller has gone. A client of this crate's ends
    /// with its connection, so all that further attempts allow is to follow a cluster, which has
    /// answered that it did nothing, to another of its servers.
    pub(crate) fn options(&self) -> Options {
        let attempts = match &self.origin {
            Origin::Settings(_) if self.origin.is_cluster() => 1 + REDIRECTIONS,
            Origin::Settings(_) | Origin::Clients(_) => 1,
        };
        Options {
            max_attempts: Some(attempts),
            max_redirections: Some(REDIRECTIONS),
            // The library takes zero for no limit.
            timeout: Some(self.response_timeout.max(Duration::from_millis(1))),
            fail_fast: true,
            ..Options::default()
        }
    }

    /// How the clients of this crate connect where these settings lead.
    pub(crate) fn connection(&self, settings: &Settings) -> ConnectionConfig {
        // A firewall that has silently forgotten an idle connection costs a vote.
        let probes = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
        // One of several servers that swallows packets must leave time for the others.
        let steps = match settings.server.hosts().len() {
            0 | 1 => 1,
            several => several + 1,
        };
        let step = self.connect_timeout / u32::try_from(steps).unwrap_or(u32::MAX);
        ConnectionConfig {
            // The library takes zero for no limit.
            connection_timeout: step.max(Duration::from_millis(1)),
            internal_command_timeout: step.max(Duration::from_millis(1)),
            // A cluster that is down says so to each command, which is a better error.
            disable_cluster_health_check: true,
            tcp: TcpConfig {
                nodelay: Some(true),
                keepalive: Some(probes),
                // After a partition the kernel sends again at ever longer intervals, up to minutes:
                // the node would come back as much later. A new connection is there at once.
                #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
                user_timeout: Some(UNACKNOWLEDGED),
                ..TcpConfig::default()
            },
            ..ConnectionConfig::default()
        }
    }
}

/// Where connections come from.
#[derive(Clone)]
pub(crate) enum Origin {
    /// This crate makes clients, one for each connection, that end with it.
    Settings(Box<Settings>),
    /// The user has made them, and takes care of them.
    Clients(Vec<Client>),
}

impl Origin {
    /// What leads to the servers; nothing only if there are no clients.
    pub(crate) fn settings(&self) -> Option<Settings> {
        match self {
            Self::Settings(settings) => Some(Settings::clone(settings)),
            Self::Clients(clients) => clients.first().map(Client::client_config),
        }
    }

    /// Where those may be who listen.
    pub(crate) fn audience(&self) -> Audience {
        if self.is_cluster() { Audience::Cluster } else { Audience::Server }
    }

    /// Whether the servers are a cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        match self {
            Self::Settings(settings) => settings.server.is_clustered(),
            Self::Clients(clients) => clients.iter().any(Client::is_clustered),
        }
    }

    /// The same servers, spoken to in RESP3.
    pub(crate) fn resp3(&self) -> Self {
        match self {
            Self::Settings(settings) => {
                let version = RespVersion::RESP3;
                Self::Settings(Box::new(Settings { version, ..Settings::clone(settings) }))
            }
            brought_along @ Self::Clients(_) => brought_along.clone(),
        }
    }
}

/// The same settings with another server in front.
///
/// The library asks them in order, and does not go on to the next if the first takes the connection
/// and then says nothing. The attempt after that must not begin with the same one again.
pub(crate) fn rotated(mut settings: Settings, attempt: u64) -> Settings {
    if let ServerConfig::Sentinel { hosts, .. } | ServerConfig::Clustered { hosts, .. } =
        &mut settings.server
    {
        let count = u64::try_from(hosts.len()).unwrap_or(u64::MAX).max(1);
        hosts.rotate_left(usize::try_from(attempt % count).unwrap_or(0));
    }
    settings
}

/// Why a configuration of the library cannot be used for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the field `{field}` of the configuration {problem}")]
pub struct ConfigError {
    field: &'static str,
    problem: &'static str,
}

/// What can be known to be wrong before anything connects.
pub(crate) fn check(settings: &Settings) -> Result<(), ConfigError> {
    let fail = |field, problem| Err(ConfigError { field, problem });
    match &settings.server {
        ServerConfig::Sentinel { service_name, .. } if service_name.is_empty() => {
            return fail("server.service_name", "is empty");
        }
        server if server.hosts().is_empty() => return fail("server.hosts", "is empty"),
        server if server.hosts().iter().any(|server| server.host.is_empty()) => {
            return fail("server", "names no host, or no path of a socket");
        }
        server if server.is_clustered() && settings.database.is_some_and(|number| number > 0) => {
            return fail("database", "is not 0, which is all that a cluster has");
        }
        _ => {}
    }
    match (&settings.username, &settings.password) {
        (Some(_), None) => fail("username", "is set without a `password`, so it is not used"),
        _ => Ok(()),
    }
}

/// The name of a node in errors and logs: where it is, never who connects there.
pub(crate) fn label(settings: &Settings) -> String {
    let database = settings.database.unwrap_or_default();
    match &settings.server {
        ServerConfig::Centralized { server } => format!("{}/{database}", address(server)),
        ServerConfig::Clustered { hosts, .. } => {
            let first = hosts.first().map(address).unwrap_or_default();
            format!("cluster:{first}/{database}")
        }
        ServerConfig::Sentinel { service_name, .. } => format!("sentinel:{service_name}"),
        #[cfg(unix)]
        ServerConfig::Unix { path } => format!("unix:{}/{database}", path.display()),
    }
}

fn address(server: &Server) -> String {
    let Server { host, port, .. } = server;
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

// Both bound what a dead server can keep busy, no more: the lock does not wait that long. The first
// is also, with the pause after it, how long a node can stay away after a partition has ended: an
// attempt whose packets were lost must run out before the next one. Together less than a second.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(800);
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);
const KEEPALIVE_AFTER: Duration = Duration::from_secs(15);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(1);
/// How often a command follows a cluster whose slots are on the move.
const REDIRECTIONS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(server: ServerConfig) -> Settings {
        Settings { server, ..Settings::default() }
    }

    #[test]
    fn a_command_is_sent_once_and_not_without_a_limit_of_time() {
        let single = Config::new("n", Origin::Settings(Box::default()));
        let users = Config::new("n", Origin::Clients(vec![Client::default()]));
        for mut config in [single, users] {
            config.response_timeout = Duration::ZERO;
            let options = config.options();
            assert_eq!(options.max_attempts, Some(1));
            assert!(options.fail_fast);
            assert!(options.timeout.unwrap() > Duration::ZERO);
        }
    }

    #[test]
    fn small_requests_leave_at_once_and_dead_connections_are_found_out() {
        let config = Config::new("n", Origin::Settings(Box::default()));
        let connection = config.connection(&Settings::default());
        assert_eq!(connection.tcp.nodelay, Some(true));
        assert!(connection.tcp.keepalive.is_some());
        assert!(connection.connection_timeout < Duration::from_secs(1));
        #[cfg(target_os = "linux")]
        assert_eq!(connection.tcp.user_timeout, Some(UNACKNOWLEDGED));
    }

    #[test]
    fn several_servers_share_the_time_and_take_turns() {
        let hosts = vec![("a", 1), ("b", 2), ("c", 3)];
        let settings = settings(ServerConfig::new_sentinel(hosts, "main"));
        let config = Config::new("n", Origin::Settings(Box::new(settings.clone())));
        let connection = config.connection(&settings);
        assert_eq!(connection.connection_timeout * 4, config.connect_timeout);
        assert_eq!(connection.internal_command_timeout, connection.connection_timeout);
        let first = |attempt| rotated(settings.clone(), attempt).server.hosts()[0].port;
        assert_eq!([0, 1, 2, 3, u64::MAX].map(first), [1, 2, 3, 1, 1]);
        assert_eq!(rotated(Settings::default(), 7), Settings::default());
    }

    #[test]
    fn a_label_says_where_and_not_who() {
        let hosts = vec![("::1", 2), ("a", 1)];
        for (server, expected) in [
            (ServerConfig::new_centralized("h", 7), "h:7/0"),
            (ServerConfig::new_clustered(hosts.clone()), "cluster:[::1]:2/0"),
            (ServerConfig::new_sentinel(hosts, "main"), "sentinel:main"),
        ] {
            let secret = Some("secret".into());
            let settings = Settings { password: secret, ..settings(server) };
            assert_eq!(label(&settings), expected);
        }
    }

    #[test]
    fn a_configuration_that_is_no_good_is_named_by_its_field() {
        let none: Vec<(&str, u16)> = Vec::new();
        let user = Some("u".to_owned());
        let cluster = settings(ServerConfig::default_clustered());
        for (settings, field) in [
            (settings(ServerConfig::new_centralized("", 1)), "`server`"),
            (settings(ServerConfig::new_clustered(none.clone())), "`server.hosts`"),
            (settings(ServerConfig::new_sentinel(none, "main")), "`server.hosts`"),
            (settings(ServerConfig::new_sentinel(vec![("h", 1)], "")), "`server.service_name`"),
            (Settings { database: Some(1), ..cluster.clone() }, "`database`"),
            (Settings { username: user, ..Settings::default() }, "`username`"),
        ] {
            let error = check(&settings).unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
        assert_eq!(check(&cluster), Ok(()));
        assert_eq!(check(&Settings::default()), Ok(()));
    }
}
