//! Locks with fencing tokens that live for milliseconds, whose commands come twice and late.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redlock_testkit::{
    Grant, History,
    server::{Direction, Flow, Proxy, Server, Servers},
};
use redlocks::{
    Accord, Fence, Fencing, Identity, Inspection, LockNode, NodeError, Notifications, Redlock,
    Renewal, Resource, Runtime, Sets, Survey, Token, TokioRuntime, Ttl, Vote, Witness, async_trait,
    redis_rs::RedisNode,
};

use crate::support::MS;

/// A node each of whose acquires and raises reaches the server a second time, some milliseconds
/// later and by another way.
#[derive(Debug)]
struct Echo {
    node: RedisNode,
    late: RedisNode,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Late acquires that set the key anew, after it had ended.
    revived: AtomicU64,
    /// Raises, in time or late, that found a larger count than they asked for: confirming by those
    /// would give two locks one fence.
    mismatched: AtomicU64,
}

impl Seen {
    fn raised(&self, to: Fence, raised: &Result<Vote, NodeError>) {
        let more =
            matches!(raised, Ok(Vote::Granted { counter: Some(counter), .. }) if *counter > to);
        self.mismatched.fetch_add(u64::from(more), Ordering::Relaxed);
    }
}

#[async_trait]
impl LockNode for Echo {
    fn label(&self) -> &str {
        self.node.label()
    }

    fn identity(&self) -> Option<Identity> {
        self.node.identity()
    }

    fn notifications(&self) -> Option<&dyn Notifications> {
        None
    }

    fn fencing(&self) -> Option<&dyn Fencing> {
        Some(self)
    }

    fn sets(&self) -> Option<&dyn Sets> {
        None
    }

    fn survey(&self) -> Option<&dyn Survey> {
        None
    }

    fn witness(&self) -> Option<&dyn Witness> {
        self.node.witness()
    }

    fn accord(&self) -> Option<&dyn Accord> {
        None
    }

    async fn acquire(&self, name: &Resource, token: &Token, ttl: Ttl) -> Result<Vote, NodeError> {
        self.node.acquire(name, token, ttl).await
    }

    async fn extend(&self, name: &Resource, token: &Token, ttl: Ttl) -> Result<Vote, NodeError> {
        self.node.extend(name, token, ttl).await
    }

    async fn release(&self, name: &Resource, token: &Token) -> Result<Vote, NodeError> {
        self.node.release(name, token).await
    }

    async fn inspect(&self, name: &Resource) -> Result<Inspection, NodeError> {
        self.node.inspect(name).await
    }
}

#[async_trait]
impl Fencing for Echo {
    async fn acquire_counted(
        &self,
        name: &Resource,
        token: &Token,
        ttl: Ttl,
        hint: Fence,
    ) -> Result<Vote, NodeError> {
        let (late, seen) = (self.late.clone(), Arc::clone(&self.seen));
        let (again, mine) = (name.clone(), token.clone());
        let first = self.node.acquire_counted(name, token, ttl, hint).await;
        let counted = first.as_ref().ok().copied();
        tokio::spawn(async move {
            let second = late.acquire_counted(&again, &mine, ttl, hint).await;
            let granted = matches!(second, Ok(Vote::Granted { .. }));
            if granted && counted != second.ok() {
                seen.revived.fetch_add(1, Ordering::Relaxed);
            }
        });
        first
    }

    async fn raise(&self, name: &Resource, token: &Token, to: Fence) -> Result<Vote, NodeError> {
        let (late, seen) = (self.late.clone(), Arc::clone(&self.seen));
        let (again, mine) = (name.clone(), token.clone());
        tokio::spawn(async move { seen.raised(to, &late.raise(&again, &mine, to).await) });
        // As late as some of the acquires that have come twice.
        tokio::time::sleep(MS).await;
        let raised = self.node.raise(name, token, to).await;
        self.seen.raised(to, &raised);
        raised
    }
}

fn redlock(servers: &[Server], proxies: &[Proxy], seen: &Arc<Seen>) -> Redlock {
    let nodes = servers.iter().zip(proxies).map(|(server, proxy)| {
        let node = RedisNode::open(&server.url()).unwrap();
        let late = RedisNode::open(&proxy.url()).unwrap();
        Arc::new(Echo { node, late, seen: Arc::clone(seen) }) as Arc<dyn LockNode>
    });
    let builder = nodes.fold(Redlock::builder(), redlocks::RedlockBuilder::shared_node);
    builder.fencing(true).renewal(Renewal::off()).node_timeout(3 * MS).build().unwrap()
}

async fn claim(client: usize, redlock: Redlock, history: History, over: Arc<AtomicBool>) {
    let clock = TokioRuntime::new();
    let mut rounds = client;
    while !over.load(Ordering::Relaxed) {
        rounds += 1;
        let lock = redlock.lock("r").ttl((6 + rounds as u32 % 5) * MS);
        let asked = clock.now();
        let Ok(guard) = lock.try_acquire().await else {
            tokio::time::sleep(MS / 2).await;
            continue;
        };
        let fence = guard.fencing_token().unwrap().get();
        let grant =
            Grant::new(format!("{client}"), guard.resource().clone(), fence, asked, clock.now());
        history.grant(grant);
        if rounds.is_multiple_of(2) {
            guard.release().await;
        } else {
            // Its keys end by themselves, on each server at another moment.
            drop(guard.into_lease());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fences_are_unique_and_grow_although_commands_come_twice_and_late() {
    let seconds = env::var("FENCES_SECS").map_or(4, |seconds| seconds.parse().unwrap());
    let servers = Servers::start(3).unwrap();
    let proxies: Vec<_> = servers.iter().map(|server| Proxy::start(server).unwrap()).collect();
    for (proxy, delay) in proxies.iter().zip([3, 5, 8]) {
        proxy.set(Direction::Requests, Flow::Delay(delay * MS));
    }
    let seen = Arc::new(Seen::default());
    let history = History::new(Arc::new(TokioRuntime::new()));
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let redlock = redlock(&servers, &proxies, &seen);
            tokio::spawn(claim(client, redlock, history.clone(), Arc::clone(&over)))
        })
        .collect();
    let revived = || seen.revived.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    // On a busy machine few claims come in time; without some nothing is shown.
    let patience = Instant::now() + PATIENCE;
    while (history.grants() <= 20 || revived() == 0) && Instant::now() < patience {
        tokio::time::sleep(50 * MS).await;
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let grants = history.grants();
    println!(
        "{grants} claims in {seconds} s or more, {} keys set anew by late commands, {} mismatches \
         caught",
        revived(),
        seen.mismatched.load(Ordering::Relaxed),
    );
    assert_eq!(history.check(), []);
    assert!(grants > 20, "only {grants} claims: nothing is shown");
    assert!(revived() > 0, "no command came late: nothing is shown");
}

/// Far longer than it takes on a machine that works.
const PATIENCE: Duration = Duration::from_secs(60);
