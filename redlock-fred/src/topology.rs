//! Nodes that are more than one server: a master that sentinels watch, and a cluster.

use fred::types::config::{Config as Settings, Server, ServerConfig};

use crate::{node::FredNode, url, url::UrlError};

impl FredNode {
    /// The current master of this name, as these sentinels know it.
    ///
    /// Whenever it connects, the node asks the first sentinel that answers, and makes sure that
    /// the server is a master. The urls differ in host and port (26379 unless given) alone. User,
    /// password and database are those of the *servers*; the sentinels' own login stands in the
    /// query, `?sentinelUsername=…&sentinelPassword=…`. `rediss://` is TLS to both.
    ///
    /// A master and its replicas are **one node** of a redlock, with one vote, and no stronger than
    /// one server: replication is asynchronous, so a fail-over can forget locks that were granted
    /// just before it. The redlock stays safe as long as only a minority of its nodes do so at
    /// once.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if there is no url, or for the first that cannot be used.
    #[cfg(feature = "sentinel")]
    pub fn sentinel<U: AsRef<str>>(
        master_name: &str,
        sentinel_urls: impl IntoIterator<Item = U>,
    ) -> Result<Self, UrlError> {
        if master_name.is_empty() {
            return Err(UrlError::new(NAME));
        }
        let urls: Vec<_> = sentinel_urls.into_iter().collect();
        let (hosts, settings) = together(&urls, SENTINEL_PORT)?;
        let mut logins = urls.iter().map(|url| url::sentinel_login(url.as_ref()));
        let (username, password) = logins.next().unwrap_or(Ok((None, None)))?;
        for (index, login) in logins.enumerate() {
            if login? != (username.clone(), password.clone()) {
                return Err(UrlError::new(DIFFERENT).at(index + 1));
            }
        }
        let service_name = master_name.to_owned();
        let server = ServerConfig::Sentinel { hosts, service_name, username, password };
        Ok(Self::of(Settings { server, ..settings }))
    }

    /// The cluster that these servers belong to.
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
    ///
    /// # Errors
    ///
    /// [`UrlError`] if there is no url, or for the first that cannot be used.
    #[cfg(feature = "cluster")]
    pub fn cluster<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Self, UrlError> {
        let urls: Vec<_> = urls.into_iter().collect();
        let (hosts, settings) = together(&urls, url::DEFAULT_PORT)?;
        if settings.database.is_some() {
            return Err(UrlError::new(NUMBERED));
        }
        let server = ServerConfig::Clustered { hosts, policy: Default::default() };
        Ok(Self::of(Settings { server, ..settings }))
    }
}

/// Where several urls lead, and what they say alike.
fn together<U: AsRef<str>>(
    urls: &[U],
    default_port: u16,
) -> Result<(Vec<Server>, Settings), UrlError> {
    let mut hosts = Vec::with_capacity(urls.len());
    let mut common: Option<Settings> = None;
    for (index, url) in urls.iter().enumerate() {
        let fail = |error: UrlError| error.at(index);
        let settings = url::parse_with(url.as_ref(), default_port).map_err(fail)?;
        let ServerConfig::Centralized { server } = &settings.server else {
            return Err(fail(UrlError::new(SOCKET)));
        };
        hosts.push(server.clone());
        // All but the server, which is the first's in both.
        let first = common.get_or_insert_with(|| settings.clone());
        let server = first.server.clone();
        if (Settings { server, ..settings.clone() }) != *first
            || settings.uses_tls() != first.uses_tls()
        {
            return Err(fail(UrlError::new(DIFFERENT)));
        }
    }
    common.map(|common| (hosts, common)).ok_or(UrlError::new(NONE))
}

#[cfg(feature = "sentinel")]
const SENTINEL_PORT: u16 = 26379;
#[cfg(feature = "sentinel")]
const NAME: &str = "comes with an empty name of a master";
#[cfg(feature = "cluster")]
const NUMBERED: &str = "names a database, and a cluster has none but 0";
const NONE: &str = "is missing: not one was given";
const SOCKET: &str = "is that of a socket, where hosts are needed";
const DIFFERENT: &str = "differs from the first in more than host and port";

#[cfg(all(test, feature = "cluster", feature = "sentinel"))]
mod tests {
    use redlock_core::LockNode;

    use super::*;

    #[test]
    fn several_urls_must_lead_to_hosts_and_say_the_same() {
        let none: [&str; 0] = [];
        for (urls, problem) in [
            (&none[..], "the url of the node is missing: not one was given"),
            (&["redis://a", "b"], "url 2 of the nodes does not start with"),
            (&["redis://:secret@a", "redis://:other@b"], "url 2 of the nodes differs"),
            (&["redis://a", "redis://b?protocol=resp3"], "url 2 of the nodes differs"),
            #[cfg(unix)]
            (&["unix:///s"], "url 1 of the nodes is that of a socket"),
        ] {
            for node in [FredNode::sentinel("main", urls), FredNode::cluster(urls)] {
                let error = node.unwrap_err().to_string();
                assert!(error.starts_with(problem), "{error}");
            }
        }
        let error = FredNode::cluster(["redis://a/1"]).unwrap_err().to_string();
        assert!(error.contains("a cluster has none but 0"), "{error}");
        assert!(FredNode::sentinel("", ["redis://a"]).is_err());
        let urls = ["redis://a?sentinelPassword=secret", "redis://b?sentinelPassword=other"];
        let error = FredNode::sentinel("main", urls).unwrap_err().to_string();
        assert!(error.starts_with("url 2 of the nodes differs"), "{error}");
    }

    #[test]
    fn labels_name_all_servers_and_no_login() {
        let query = "sentinelUsername=su&sentinelPassword=secret";
        let urls =
            [format!("redis://u:secret@a/2?{query}"), format!("redis://u:secret@b:1/2?{query}")];
        let node = FredNode::sentinel("main", urls).unwrap();
        assert_eq!(node.label(), "main@a:26379,b:1/2");
        assert!(!format!("{node:?}").contains("secret"));
        let node = FredNode::cluster(["redis://:secret@a", "redis://:secret@b:1"]).unwrap();
        assert_eq!(node.label(), "cluster:a:6379,b:1");
    }
}
