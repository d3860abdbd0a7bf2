//! Nodes that are more than one server: [`RedisNode::sentinel`] and [`RedisNode::cluster`].

#[cfg(feature = "sentinel")]
use redis::ConnectionAddr;
use redis::ConnectionInfo;
use redlock_wire::{UrlError, UrlProblem};

use crate::{
    config::{Config, Origin, ready_for_tls, tuned},
    node::RedisNode,
    url,
};

#[cfg(feature = "sentinel")]
impl RedisNode {
    /// The server that these sentinels call the master of this name: one node, whichever server
    /// it is at the time.
    ///
    /// The sentinels are asked anew for each connection, all at once, and most of those that
    /// answer are believed; one that is dead, hangs or is cut off holds up nothing. While there is
    /// a connection, each of them is listened to (`SUBSCRIBE +switch-master`, one connection to
    /// each). When the master dies, becomes a replica, hangs, or goes on but the sentinels name
    /// another, the node connects to the new one, and votes again within about a second of its
    /// promotion. Its label is `sentinel:` and the name.
    ///
    /// The urls are those of [`open`](Self::open), with port 26379 unless another is given, and with
    /// the users and passwords that the *sentinels* want. The master is connected to without
    /// password or TLS: see [`sentinel_with`](Self::sentinel_with).
    ///
    /// # What a fail-over means for a lock
    ///
    /// Replication is asynchronous, so **a replica that is promoted may have forgotten votes**
    /// that its master gave. For the lock that is a node which was restarted empty while locks
    /// were held: with three such nodes, one fail-over at the wrong moment can give two clients a
    /// majority. Its uptime does not tell, since the process is an old one: a rule that makes
    /// restarted servers wait does not cover it. Besides, a former master goes on granting for
    /// seconds after the promotion, and longer if it is cut off from the sentinels: clients that
    /// do not hear of the promotion at the same time have their votes from different servers.
    /// `min-replicas-to-write 1` on the servers narrows that, and closes it no further than to
    /// `min-replicas-max-lag`.
    ///
    /// So independent masters without fail-over are the safer nodes, and the quorum makes them as
    /// available: prefer those, use this where the deployment is given, and protect what the lock
    /// guards by fencing.
    ///
    /// # Errors
    ///
    /// [`UrlError`] for the first url that cannot be used, with its place; if there is none; or if
    /// the name is empty.
    pub fn sentinel<U: AsRef<str>>(
        name: &str,
        sentinels: impl IntoIterator<Item = U>,
    ) -> Result<Self, UrlError> {
        Self::sentinel_with(name, sentinels, "redis://master")
    }

    /// As [`sentinel`](Self::sentinel), with a url that tells how to connect to the master:
    /// `rediss://user:password@master/2`.
    ///
    /// Its scheme, user, password, database and options count; its host and port stand for those
    /// that the sentinels tell, whatever they are. With TLS the certificate must be good for the
    /// host that the sentinels tell, often an address: `sentinel announce-hostnames yes` makes it
    /// a name.
    ///
    /// # Errors
    ///
    /// As [`sentinel`](Self::sentinel), and [`UrlError`] without a place if this url is no good, or
    /// that of a socket.
    pub fn sentinel_with<U: AsRef<str>>(
        name: &str,
        sentinels: impl IntoIterator<Item = U>,
        master: &str,
    ) -> Result<Self, UrlError> {
        if name.is_empty() {
            return Err(UrlProblem::NamelessMaster.into());
        }
        let sentinels = parse_all(sentinels, SENTINEL_PORT)?.into_iter().map(redis::Client::open);
        let sentinels: Vec<_> =
            sentinels.collect::<Result<_, _>>().map_err(|_| UrlProblem::Settings)?;
        let master = tuned(&url::parse(master)?);
        if let ConnectionAddr::Unix(_) = master.addr() {
            return Err(UrlProblem::Socket.into());
        }
        let watched = crate::sentinel::Watched::new(name, sentinels, master);
        ready_for_tls();
        let label = format!("sentinel:{name}");
        Ok(Self::with(Config::new(label, Origin::Sentinel(watched.into()))))
    }
}

#[cfg(feature = "cluster")]
impl RedisNode {
    /// The cluster that these servers belong to: all of it is **one** node, with one vote.
    ///
    /// It is no redlock by itself: a quorum needs several clusters, or other nodes, that know
    /// nothing of each other. One url is enough; more are for the case that the first is down.
    /// They must have the same user, password and TLS. The label is `cluster:` and the first.
    ///
    /// # Limits
    ///
    /// * Each resource lives on the one master that has its slot; with that master down, the node
    ///   refuses this resource, and still votes on others if the cluster has
    ///   `cluster-require-full-coverage no`.
    /// * When a slot has moved, the first call for a resource in it is refused (`MOVED`) before
    ///   it has any effect; then the map of the slots is read anew. While a slot is being moved,
    ///   resources that are free cannot be acquired there (`ASK`), and held ones vote until they
    ///   have gone over. A release that is refused so is not sent again by the node, and its key
    ///   may stay for the rest of its ttl.
    /// * Calls for one token are carried out in the order in which they were made as long as the
    ///   slot stays where it is and the connection to its master lasts.
    /// * A replica of the cluster that is promoted may have forgotten votes, as after any
    ///   fail-over with asynchronous replication: one that happens while locks are held may give
    ///   a second client this node's vote.
    /// * The identity of a cluster is not known: two nodes that are the same cluster are not
    ///   found out, and must not be.
    /// * Its locks are listed master by master, while all masters answer, which needs
    ///   `+cluster|info +cluster|nodes`. A listing ends with an error if a master comes, goes or is
    ///   replaced meanwhile, or a slot has moved by half. What lies in a slot that has moved as a
    ///   whole meanwhile may come twice or not at all.
    ///
    /// # Errors
    ///
    /// [`UrlError`] for the first url that cannot be used, with its place; if there is none; or if
    /// they cannot be of one cluster.
    pub fn cluster<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Self, UrlError> {
        let seeds = parse_all(urls, url::DEFAULT_PORT)?;
        let label = seeds.first().map(url::label).unwrap_or_default();
        let seeds = crate::cluster::Seeds::new(seeds)?;
        ready_for_tls();
        Ok(Self::with(Config::new(format!("cluster:{label}"), Origin::Cluster(seeds))))
    }
}

/// What these urls say about where to connect; at least one of them.
fn parse_all<U: AsRef<str>>(
    urls: impl IntoIterator<Item = U>,
    default_port: u16,
) -> Result<Vec<ConnectionInfo>, UrlError> {
    let parsed = urls.into_iter().enumerate().map(|(index, url)| {
        let info = url::parse_with(url.as_ref(), default_port).map_err(|error| error.at(index))?;
        Ok(tuned(&info))
    });
    let parsed = parsed.collect::<Result<Vec<_>, UrlError>>()?;
    if parsed.is_empty() { Err(UrlProblem::Missing.into()) } else { Ok(parsed) }
}

#[cfg(feature = "sentinel")]
const SENTINEL_PORT: u16 = 26379;

#[cfg(all(test, feature = "sentinel"))]
mod tests {
    use super::*;

    #[test]
    fn sentinels_listen_on_a_port_of_their_own_unless_told_otherwise() {
        let node = RedisNode::sentinel("m", ["redis://a", "redis://b:1"]).unwrap();
        let Origin::Sentinel(watched) = &node.link.config.origin else { panic!("no sentinels") };
        let ports: Vec<_> = watched.addresses().map(ToString::to_string).collect();
        assert_eq!(ports, ["a:26379", "b:1"]);
    }
}
