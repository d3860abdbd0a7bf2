//! What holding a lock promises, each on its own, from a seed: that it lasts while nodes fail one
//! at a time, that it ends when it should, and that nobody has it before.

mod ending;
mod lasting;

use std::{sync::Arc, time::Duration};

use redlock_core::{Guard, Moment, Redlock, RedlockBuilder, Renewal, Retry};
use redlock_testkit::{SimClient, SimCluster, SimRandom, SimRuntime};

/// What is promised, and what says for a seed whether it is kept.
type Promise = (&'static str, fn(u64) -> Verdict);

/// What was wrong, and with which seed it can be seen again.
type Verdict = Result<(), String>;

/// Nodes, and clients to come.
struct World {
    sim: SimRuntime,
    cluster: SimCluster,
}

impl World {
    fn new(seed: u64, nodes: usize) -> Self {
        let sim = SimRuntime::new(seed);
        let cluster = SimCluster::new(&sim, nodes);
        Self { sim, cluster }
    }

    /// A process of its own.
    fn client(&self) -> (SimClient, RedlockBuilder) {
        let client = self.sim.client();
        let redlock = Redlock::builder()
            .nodes(self.cluster.links())
            .ttl(TTL)
            .node_timeout(NODE_TIMEOUT)
            .retry(Retry::fixed(PAUSE).unlimited())
            .random(Arc::new(SimRandom::new(self.random().number())))
            .runtime(client.shared());
        (client, redlock)
    }

    fn random(&self) -> &SimRandom {
        self.sim.random()
    }

    fn acquired(&self, redlock: &Redlock) -> Guard {
        self.sim.block_on(redlock.lock("r").try_acquire()).expect("nothing is wrong")
    }

    /// When somebody else gets the lock, who asks all the time.
    fn next_holder(&self) -> Moment {
        let (_, redlock) = self.client();
        let redlock = redlock.renewal(Renewal::off()).build().expect("legal");
        let next = self.sim.block_on(redlock.lock("r").acquire_within(TTL * 100));
        drop(next.expect("everything ends"));
        self.sim.now()
    }

    fn keys(&self) -> usize {
        self.cluster.nodes().iter().map(|node| node.keys().len()).sum()
    }

    fn extends(&self) -> u64 {
        self.cluster.nodes().iter().map(|node| node.calls().extend).sum()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.sim.shut_down();
    }
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

/// All of these.
pub(crate) const PROMISES: [Promise; 13] = [
    ("survives single failures", lasting::survives_single_failures),
    ("leaves nothing of what was being healed", lasting::leaves_nothing_of_what_was_being_healed),
    ("ends what is forgotten", ending::ends_what_is_forgotten),
    ("frees what the dead held", ending::frees_what_the_dead_held),
    ("holds for its least", ending::holds_for_its_least),
    ("hands on", lasting::hands_on),
    (
        "is renewed whatever its holder extends it by",
        lasting::is_renewed_whatever_its_holder_extends_it_by,
    ),
    ("lets its holder extend", lasting::lets_its_holder_extend),
    ("heals again what it hears nothing of", lasting::heals_again_what_it_hears_nothing_of),
    ("ends while the machine sleeps", ending::ends_while_the_machine_sleeps),
    ("stops with its guard", ending::stops_with_its_guard),
    ("trusts only what nodes keep", lasting::trusts_only_what_nodes_keep),
    ("tells what nodes have lost", ending::tells_what_nodes_have_lost),
];

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(200);
const TTL: Duration = Duration::from_secs(3);
const NODE_TIMEOUT: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(20);
const ROUNDS: u32 = 20;
