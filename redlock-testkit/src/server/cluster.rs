use std::ops::{Deref, DerefMut};

use super::{Options, Server, ServerError, Servers, port, wait};

/// Masters that share the slots of one cluster, without replicas. Reads as a slice.
///
/// Ended when dropped, also by a panic. Without replicas the loss of one server takes the whole
/// cluster down, unless it was started with `--cluster-require-full-coverage no`. Needs Redis 7.0
/// or newer, or Valkey.
///
/// ```no_run
/// use redlock_testkit::server::Cluster;
///
/// let cluster = Cluster::start()?;
/// let slot = cluster.slot("key")?;
/// let owner = cluster.owner(slot)?;
/// cluster.move_slot(slot, (owner + 1) % cluster.len())?; // with its keys
/// # Ok::<(), redlock_testkit::server::ServerError>(())
/// ```
#[derive(Debug)]
pub struct Cluster(Servers);

impl Cluster {
    /// Three masters, as small as clusters get. Returns when all of them call the cluster well.
    ///
    /// That takes two seconds, for which every new server of a cluster waits.
    ///
    /// # Errors
    ///
    /// As [`Server::start`], or [`ServerError::NotAgreed`] if they do not become a cluster.
    pub fn start() -> Result<Self, ServerError> {
        Self::with(3, &Options::new())
    }

    /// So many masters, all with these options.
    ///
    /// # Errors
    ///
    /// As [`Cluster::start`], and if there are to be none.
    pub fn with(masters: usize, options: &Options) -> Result<Self, ServerError> {
        if masters == 0 {
            return Err(ServerError::nothing_to_start("a cluster needs a master"));
        }
        let started = (0..masters).map(|_| member(options)).collect::<Result<Vec<_>, _>>()?;
        let (buses, servers): (Vec<_>, Vec<_>) = started.into_iter().unzip();
        let cluster = Self(Servers::from(servers));
        cluster.share_slots()?;
        // Epochs that differ: two masters of one epoch would first have to settle who is older.
        for (place, server) in cluster.iter().enumerate() {
            server.cmd::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(place + 1).to_string()])?;
        }
        if let Some((first, others)) = cluster.split_first() {
            for (other, bus) in others.iter().zip(&buses[1..]) {
                let (port, bus) = (other.port().to_string(), bus.to_string());
                first.cmd::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
            }
        }
        cluster.wait_until_ok()?;
        Ok(cluster)
    }

    /// The urls of all masters.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.0.urls()
    }

    /// Waits until every server calls the cluster well, knows all others and is connected to them:
    /// after a restart, say. What is published on one before that is not heard on the others.
    ///
    /// # Errors
    ///
    /// [`ServerError::NotAgreed`] if that does not happen.
    pub fn wait_until_ok(&self) -> Result<(), ServerError> {
        let known = format!("cluster_known_nodes:{}", self.len());
        let is_well = |server: &Server| {
            let is_ok = server.cmd::<String>(&["CLUSTER", "INFO"]).is_ok_and(|info| {
                let says = |fact: &str| info.lines().any(|line| line.trim_end() == fact);
                says("cluster_state:ok") && says("cluster_slots_ok:16384") && says(&known)
            });
            is_ok && server.cmd(&["CLUSTER", "NODES"]).is_ok_and(|nodes: String| is_linked(&nodes))
        };
        wait::until(self.iter(), "being a cluster", || self.iter().all(is_well).then_some(()))
    }

    /// The slot of a key.
    ///
    /// # Errors
    ///
    /// [`ServerError::Command`] if the first server does not answer.
    pub fn slot(&self, key: &str) -> Result<u16, ServerError> {
        self[0].cmd(&["CLUSTER", "KEYSLOT", key])
    }

    /// The place of the master that has this slot, as the masters see it themselves.
    ///
    /// # Errors
    ///
    /// [`ServerError::NotAgreed`] if none says that it has it.
    pub fn owner(&self, slot: u16) -> Result<usize, ServerError> {
        wait::until(self.iter(), "who has the slot", || {
            self.iter().position(|server| has(server, slot))
        })
    }

    /// Moves a slot with its keys to the master at this place, while clients use them.
    ///
    /// # Errors
    ///
    /// [`ServerError::Command`] if a server does not do its part.
    pub fn move_slot(&self, slot: u16, to: usize) -> Result<(), ServerError> {
        self.begin_move(slot, to)?;
        self.finish_move(slot, to)
    }

    /// The first half of a move: the present master of the slot sends on whoever asks for a key
    /// that it has not (`ASK`).
    ///
    /// # Errors
    ///
    /// [`ServerError::Command`] if a server does not do its part.
    pub fn begin_move(&self, slot: u16, to: usize) -> Result<(), ServerError> {
        let (source, target) = (&self[self.owner(slot)?], &self[to]);
        let (from, into, slot) = (id(source)?, id(target)?, slot.to_string());
        target.cmd::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from])?;
        source.cmd::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &into])
    }

    /// The second half: the keys are moved, and everybody is told (`MOVED`).
    ///
    /// # Errors
    ///
    /// [`ServerError::Command`] if a server does not do its part.
    pub fn finish_move(&self, slot: u16, to: usize) -> Result<(), ServerError> {
        let (source, target) = (&self[self.owner(slot)?], &self[to]);
        let (slot, port) = (slot.to_string(), target.port().to_string());
        let keys: Vec<String> = source.cmd(&["CLUSTER", "GETKEYSINSLOT", &slot, "10000"])?;
        for key in &keys {
            source.cmd::<()>(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"])?;
        }
        let id = id(target)?;
        // The new master first: if it failed in between, nobody would have the slot.
        for server in [target, source].into_iter().chain(self.iter()) {
            server.cmd::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &id])?;
        }
        Ok(())
    }

    /// Has a new server take the place of this master in the cluster, with its slots and keys, and the
    /// master become its replica. Both go on answering; in this slice all stay where they are.
    ///
    /// # Errors
    ///
    /// [`ServerError`] if the server does not start, or one of them does not do its part.
    pub fn replace(&self, place: usize) -> Result<Server, ServerError> {
        let (master, (bus, new)) = (&self[place], member(&Options::new())?);
        let (id, port, bus) = (id(master)?, new.port().to_string(), bus.to_string());
        let of_all = || self.iter().chain([&new]);
        let says = |server: &Server, words: &[&str], fact: &str| {
            server.cmd::<String>(words).is_ok_and(|text| text.contains(fact))
        };
        let replication = ["INFO", "replication"];
        master.cmd::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
        // Refused until it has heard of the master.
        wait::until(of_all(), "whose replica the new server is", || {
            new.cmd::<()>(&["CLUSTER", "REPLICATE", &id]).ok()
        })?;
        // Who has not heard of it does not vote for it.
        let line = format!("slave {id}");
        wait::until(of_all(), "that the new server is in step", || {
            let heard = |server| says(server, &["CLUSTER", "NODES"], &line);
            (says(&new, &replication, "master_link_status:up") && self.iter().all(heard))
                .then_some(())
        })?;
        new.cmd::<()>(&["CLUSTER", "FAILOVER"])?;
        wait::until(of_all(), "who of the two is the master", || {
            let follows = says(master, &replication, "master_link_status:up");
            (follows && says(&new, &replication, "role:master")).then_some(())
        })?;
        Ok(new)
    }

    fn share_slots(&self) -> Result<(), ServerError> {
        for (place, server) in self.iter().enumerate() {
            let first = SLOTS * place / self.len();
            let last = SLOTS * (place + 1) / self.len() - 1;
            let range = [first.to_string(), last.to_string()];
            server.cmd::<()>(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]])?;
        }
        Ok(())
    }
}

impl Deref for Cluster {
    type Target = [Server];

    fn deref(&self) -> &[Server] {
        &self.0
    }
}

impl DerefMut for Cluster {
    fn deref_mut(&mut self) -> &mut [Server] {
        &mut self.0
    }
}

/// A server that is to join a cluster, and the port on which its kind talk to each other.
///
/// A port of its own choice may be above 65535, or another server's: it adds 10000.
fn member(options: &Options) -> Result<(u16, Server), ServerError> {
    let bus = port::free().ok_or_else(port::none_free)?;
    let port = bus.to_string();
    let usual =
        ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", &port];
    let mut member = options.clone();
    // First, so that what is wanted otherwise is what counts.
    member.args.splice(..0, usual.map(String::from));
    Ok((bus, member.start()?))
}

fn id(server: &Server) -> Result<String, ServerError> {
    server.cmd(&["CLUSTER", "MYID"])
}

/// Whether whoever says this in answer to `CLUSTER NODES` has a link to each.
fn is_linked(nodes: &str) -> bool {
    nodes.lines().all(|node| node.split(' ').nth(7) == Some("connected"))
}

/// Whether this server has the slot, by its own line of `CLUSTER NODES`.
fn has(server: &Server, slot: u16) -> bool {
    let nodes = server.cmd::<String>(&["CLUSTER", "NODES"]).unwrap_or_default();
    let own = nodes.lines().find(|line| line.contains("myself"));
    own.into_iter().flat_map(|line| line.split(' ').skip(8)).any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let bounds = (first.parse::<u16>(), last.parse::<u16>());
        matches!(bounds, (Ok(first), Ok(last)) if (first..=last).contains(&slot))
    })
}

const SLOTS: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_without_a_link_to_another_is_not_ready() {
        let nodes = |state: &str| {
            let one = "07c3 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-8191";
            format!("{one}\n67ed 127.0.0.1:3@4 master - 0 14262 2 {state} 8192-16383\n")
        };
        assert!(is_linked(&nodes("connected")));
        assert!(!is_linked(&nodes("disconnected")));
    }
}
