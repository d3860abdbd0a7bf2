//! Nodes that are more than one server: a master that sentinels watch, and a cluster.

#[cfg(feature = "sentinel")]
use fred::types::RespVersion;
use fred::types::config::{Config as Settings, Server, ServerConfig};
use redlock_wire::{UrlError, UrlProblem};

use crate::{node::FredNode, url};

impl FredNode {
    /// The current master of this name, as these sentinels tell whenever the node connects. They are
    /// asked again when it hangs, and the node leaves it once they name another. The label is
    /// `sentinel:` and the name.
    ///
    /// The urls are those of [`open`](Self::open), with port 26379 unless another is given, and
    /// with the user and password that the *sentinels* want, the same for all. The master is
    /// connected to without a password (see [`sentinel_with`](Self::sentinel_with)), and with TLS
    /// if the sentinels are: the library has one setting for both.
    ///
    /// A master and its replicas are **one node** of a redlock, with one vote, and weaker than one
    /// server that is never replaced: replication is asynchronous, so a replica that is promoted
    /// may have forgotten votes that its master gave, and a master that is cut off from its
    /// sentinels goes on voting for a while beside the promoted one. For the lock either is a node
    /// that was restarted empty: if a majority could be completed by it, two clients can hold the
    /// lock. Independent servers without fail-over are the safer nodes.
    ///
    /// # Errors
    ///
    /// [`UrlError`] for the first url that cannot be used, with its place; if there is none; or if
    /// the name is empty.
    #[cfg(feature = "sentinel")]
    pub fn sentinel<U: AsRef<str>>(
        name: &str,
        sentinels: impl IntoIterator<Item = U>,
    ) -> Result<Self, UrlError> {
        let (hosts, login) = together(sentinels, SENTINEL_PORT)?;
        let anybody = Settings {
            username: None,
            password: None,
            database: None,
            version: RespVersion::RESP2,
            ..login.clone()
        };
        Self::watched(name, hosts, login, anybody)
    }

    /// As [`sentinel`](Self::sentinel), with a url that tells how to connect to the master:
    /// `redis://user:password@master/2`.
    ///
    /// Its user, password, database and protocol count; its host and port stand for those that the
    /// sentinels tell, whatever they are. It is with TLS if the sentinels are. The certificate must
    /// then be good for the host that the sentinels tell, often an address.
    ///
    /// # Errors
    ///
    /// As [`sentinel`](Self::sentinel), and [`UrlError`] without a place if this url is no good.
    #[cfg(feature = "sentinel")]
    pub fn sentinel_with<U: AsRef<str>>(
        name: &str,
        sentinels: impl IntoIterator<Item = U>,
        master: &str,
    ) -> Result<Self, UrlError> {
        let (hosts, login) = together(sentinels, SENTINEL_PORT)?;
        let master = url::parse(master)?;
        if !master.server.is_centralized() {
            return Err(UrlProblem::Socket.into());
        }
        if master.uses_tls() != login.uses_tls() {
            return Err(UrlProblem::HalfTls.into());
        }
        Self::watched(name, hosts, login, master)
    }

    #[cfg(feature = "sentinel")]
    fn watched(
        name: &str,
        hosts: Vec<Server>,
        login: Settings,
        master: Settings,
    ) -> Result<Self, UrlError> {
        if name.is_empty() {
            return Err(UrlProblem::NamelessMaster.into());
        }
        let server = ServerConfig::Sentinel {
            hosts,
            service_name: name.to_owned(),
            username: login.username,
            password: login.password,
        };
        Ok(Self::of(Settings { server, ..master }))
    }

    /// The cluster that these servers belong to. The label is `cluster:` and the first.
    ///
    /// One of them is enough to find the rest. The urls differ in host and port alone, and name no
    /// database but 0.
    ///
    /// A cluster is **one node** of a redlock, with one vote: the servers of one cluster know of
    /// each other and fail together, so they cannot be the nodes of a redlock. Its limits:
    ///
    /// * It votes only while *all* masters that the cluster lists can be reached.
    /// * Replication is asynchronous: a fail-over can forget locks granted just before it.
    /// * It has no [identity](redlock_core::LockNode::identity): that two nodes are the same
    ///   cluster is not found out.
    /// * A command follows the cluster to where the resource has moved, which answers that it did
    ///   nothing; it is not sent again for any other reason.
    /// * Its locks are listed master by master, which needs `+cluster|info +cluster|nodes`. A listing
    ///   ends with an error if a master comes, goes or is replaced meanwhile, or a slot has moved by
    ///   half; the client then looks for the masters, and other commands wait until it has. What lies
    ///   in a slot that has moved as a whole meanwhile may come twice or not at all.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if there is no url, or for the first that cannot be used.
    #[cfg(feature = "cluster")]
    pub fn cluster<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Self, UrlError> {
        let (hosts, settings) = together(urls, url::DEFAULT_PORT)?;
        if settings.database.is_some() {
            return Err(UrlError::from(UrlProblem::ClusterDatabase).at(0));
        }
        let server = ServerConfig::Clustered { hosts, policy: Default::default() };
        Ok(Self::of(Settings { server, ..settings }))
    }
}

/// Where several urls lead, and what they say alike.
fn together<U: AsRef<str>>(
    urls: impl IntoIterator<Item = U>,
    default_port: u16,
) -> Result<(Vec<Server>, Settings), UrlError> {
    let mut hosts = Vec::new();
    let mut common: Option<Settings> = None;
    for (index, url) in urls.into_iter().enumerate() {
        let fail = |error: UrlError| error.at(index);
        let settings = url::parse_with(url.as_ref(), default_port).map_err(fail)?;
        let ServerConfig::Centralized { server } = &settings.server else {
            return Err(fail(UrlProblem::Socket.into()));
        };
        hosts.push(server.clone());
        // All but the server, which is the first's in both.
        let first = common.get_or_insert_with(|| settings.clone());
        let server = first.server.clone();
        if (Settings { server, ..settings.clone() }) != *first
            || settings.uses_tls() != first.uses_tls()
        {
            return Err(fail(UrlProblem::Mixed.into()));
        }
    }
    common.map(|common| (hosts, common)).ok_or(UrlProblem::Missing.into())
}

#[cfg(feature = "sentinel")]
const SENTINEL_PORT: u16 = 26379;

#[cfg(all(test, feature = "cluster", feature = "sentinel"))]
mod tests {
    use redlock_core::LockNode;

    use super::*;
    use crate::config::Origin;

    #[test]
    fn several_urls_must_lead_to_hosts_and_say_the_same() {
        let none: [&str; 0] = [];
        for (urls, problem) in [
            (&none[..], "the url of the node is missing: there must be at least one"),
            (&["redis://a", "b"], "url 2 does not start with"),
            (&["redis://:secret@a", "redis://:other@b"], "url 2 differs"),
            (&["redis://a", "redis://b?protocol=resp3"], "url 2 differs"),
            #[cfg(unix)]
            (&["unix:///s"], "url 1 is that of a socket"),
        ] {
            let with = FredNode::sentinel_with("main", urls, "redis://m");
            for node in [FredNode::sentinel("main", urls), with, FredNode::cluster(urls)] {
                let error = node.unwrap_err().to_string();
                assert!(error.starts_with(problem), "{error}");
            }
        }
        let error = FredNode::cluster(["redis://a/1"]).unwrap_err().to_string();
        assert!(error.contains("a cluster has none but 0"), "{error}");
        assert!(FredNode::sentinel("", ["redis://a"]).is_err());
        let error = FredNode::sentinel_with("main", ["redis://a"], ":secret").unwrap_err();
        assert!(error.to_string().starts_with("the url of the node does not start with"));
    }

    #[test]
    fn the_sentinels_login_and_the_masters_are_two() {
        let sentinels = ["redis://su:sp@a/7", "redis://su:sp@b:1/7"];
        let node = FredNode::sentinel_with("main", sentinels, "redis://u:p@m:9/2?protocol=3");
        let Origin::Settings(settings) = node.unwrap().link.config.origin.clone() else {
            panic!("a client from nowhere");
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!((settings.username, settings.password), (text("u"), text("p")));
        assert_eq!((settings.database, settings.version), (Some(2), RespVersion::RESP3));
        let hosts = vec![Server::new("a", 26379), Server::new("b", 1)];
        let (service_name, username, password) = ("main".to_owned(), text("su"), text("sp"));
        let server = ServerConfig::Sentinel { hosts, service_name, username, password };
        assert_eq!(settings.server, server);

        let node = FredNode::sentinel("main", sentinels).unwrap();
        let Origin::Settings(settings) = node.link.config.origin.clone() else {
            panic!("a client from nowhere");
        };
        assert_eq!((settings.username, settings.password, settings.database), (None, None, None));
        assert_eq!(settings.server, server);
    }

    #[test]
    fn a_label_names_the_deployment_and_no_login() {
        let urls = ["redis://u:secret@a", "redis://u:secret@b:1"];
        let nodes = [FredNode::sentinel("main", urls), FredNode::cluster(urls)].map(Result::unwrap);
        assert_eq!(nodes[0].label(), "sentinel:main");
        assert_eq!(nodes[1].label(), "cluster:a:6379/0");
        assert!(!format!("{nodes:?}").contains("secret"));
    }
}
