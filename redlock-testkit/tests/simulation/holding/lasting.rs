//! That a lock lasts: renewed, healed, extended, handed on.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use redlock_core::{Lease, Redlock, Renewal};
use redlock_testkit::{Network, SimRandom};

use super::{NODE_TIMEOUT, ROUNDS, SHORT, TTL, Verdict, World, check};
use crate::plan::index;

/// A renewed lock, while its nodes hang or restart with nothing, one at a time, for many rounds
/// (R34). Without healing each restart would cost a vote for good.
pub(crate) fn survives_single_failures(seed: u64) -> Verdict {
    let nodes = if seed.is_multiple_of(2) { 3 } else { 5 };
    let world = World::new(seed, nodes);
    let (_, redlock) = world.client();
    let redlock = redlock.build().expect("legal");
    let guard = world.acquired(&redlock);
    let random = world.random();
    for round in 0..ROUNDS {
        let node = &world.cluster.nodes()[index(random, nodes)];
        if random.chance(0.3) {
            node.hang();
            world.sim.advance(random.between(Duration::ZERO, TTL * 2));
            node.resume();
        } else {
            node.crash_and_forget();
            world.sim.advance(random.between(Duration::ZERO, TTL / 10));
            node.restart();
        }
        // One renewal finds out and has it healed, whatever the one before met with.
        world.sim.advance(TTL / 3 + random.between(NODE_TIMEOUT * 2, TTL / 3));
        check(guard.is_valid(), || format!("the lock was lost in round {round}"))?;
    }
    world.sim.advance(TTL);
    let whole = nodes - redlock.quorum().needed();
    check(guard.margin() == whole, || format!("{} nodes to spare", guard.margin()))?;
    let release = world.sim.block_on(guard.release());
    check(release.is_released(), || format!("{release}"))?;
    world.sim.block_on(redlock.settled());
    check(world.keys() == 0, || "an orphan of a healed lock".to_owned())
}

/// A node that has lost the key gets it with the next renewal, though the call that was to heal it
/// before is lost and never returns.
pub(crate) fn heals_again_what_it_hears_nothing_of(seed: u64) -> Verdict {
    let world = World::new(seed, 3);
    let (_, redlock) = world.client();
    let redlock = redlock.build().expect("legal");
    let mut guard = world.acquired(&redlock);
    world.sim.advance(TTL / 2);
    world.cluster.nodes()[index(world.random(), 3)].evict(guard.resource());
    world.sim.block_on(guard.extend(TTL)).expect("two are left");
    world.cluster.network(Network { lose_request: 1.0, silence: 1.0, ..Network::default() });
    world.sim.advance(NODE_TIMEOUT / 10);
    check(world.keys() == 2, || format!("{} nodes have it already", world.keys()))?;
    world.cluster.network(Network::default());
    world.sim.advance(TTL / 2);
    check(world.keys() == 3, || format!("only {} nodes have it", world.keys()))?;
    drop(guard);
    world.sim.block_on(redlock.settled());
    check(world.keys() == 0, || "an orphan of a lock that was healed".to_owned())
}

/// Nodes lose the key, and the lock is released while they are being healed.
pub(crate) fn leaves_nothing_of_what_was_being_healed(seed: u64) -> Verdict {
    let world = World::new(seed, 3);
    world.cluster.network(Network { connections: 3, ..Network::default() });
    let (_, redlock) = world.client();
    let redlock = redlock.renewal(Renewal::off()).build().expect("legal");
    for _ in 0..ROUNDS {
        let mut guard = world.acquired(&redlock);
        world.sim.advance(NODE_TIMEOUT);
        world.cluster.nodes()[index(world.random(), 3)].evict(guard.resource());
        world.sim.block_on(guard.extend(TTL)).expect("two are left");
        world.sim.advance(world.random().between(Duration::ZERO, NODE_TIMEOUT / 20));
        drop(guard);
        world.sim.block_on(redlock.settled());
        check(world.keys() == 0, || "an orphan of a lock that was being healed".to_owned())?;
    }
    Ok(())
}

/// When an extension counts, a quorum of nodes keeps the key for as long as it is trusted then:
/// nodes that have lost it do not count, whatever they are given again (R34).
pub(crate) fn trusts_only_what_nodes_keep(seed: u64) -> Verdict {
    let nodes = if seed.is_multiple_of(2) { 3 } else { 5 };
    let world = World::new(seed, nodes);
    let (client, redlock) = world.client();
    let redlock = redlock.build().expect("legal");
    let guard = world.acquired(&redlock);
    let (resource, token) = (guard.resource().clone(), guard.token().clone());
    let (loss, keepers) = (guard.loss(), world.cluster.nodes().to_vec());
    let wrong: Arc<Mutex<Verdict>> = Arc::new(Mutex::new(Ok(())));
    let (found, mut before) = (Arc::clone(&wrong), world.sim.now().after(loss.remaining()));
    world.sim.after_each_step(move || {
        let until = client.true_time(client.now().after(loss.remaining()));
        let keeps = keepers.iter().filter_map(|node| node.end_of_key(&resource, &token));
        let kept = keeps.filter(|end| *end >= until).count();
        if loss.is_valid() && until > before && kept <= nodes / 2 {
            let mut found = found.lock().expect("nobody panics");
            *found = Err(format!("trusted until {until:?}, kept by {kept} nodes"));
        }
        before = before.max(until);
    });
    for _ in 0..ROUNDS {
        let random = world.random();
        let first = index(random, nodes);
        let node = |place: usize| &world.cluster.nodes()[(first + place) % nodes];
        // Too few are left for a quorum.
        for place in 0..nodes / 2 {
            node(place).hang();
        }
        node(nodes / 2).evict(guard.resource());
        world.sim.advance(random.between(Duration::ZERO, TTL / 2));
        (0..nodes).for_each(|place| node(place).resume());
        world.sim.advance(TTL / 2);
    }
    let wrong = wrong.lock().expect("nobody panics");
    wrong.clone()
}

/// A lock that was extended by less than it is renewed for, or by more, is renewed all the same.
pub(crate) fn is_renewed_whatever_its_holder_extends_it_by(seed: u64) -> Verdict {
    let world = World::new(seed, 3);
    let random = world.random();
    let (_, redlock) = world.client();
    let often = random.between(TTL / 10, TTL * 9 / 10);
    let redlock = redlock.renewal(Renewal::every(often)).build().expect("legal");
    let mut guard = world.acquired(&redlock);
    for round in 0..ROUNDS {
        world.sim.advance(random.between(Duration::ZERO, TTL));
        let by = random.between(NODE_TIMEOUT * 2, TTL * 2);
        let extended = world.sim.block_on(guard.extend(by));
        check(extended.is_ok(), || format!("round {round}: {extended:?}"))?;
    }
    world.sim.advance(TTL * 5);
    check(guard.is_valid(), || "the lock was lost though all was well".to_owned())
}

/// An extension by the holder has the time that nodes get for its ttl, though the lock is renewed
/// with less (R33).
pub(crate) fn lets_its_holder_extend(seed: u64) -> Verdict {
    let world = World::new(seed, 3);
    let client = world.sim.client();
    let redlock = Redlock::builder()
        .nodes(world.cluster.links())
        .random(Arc::new(SimRandom::new(seed)))
        .runtime(client.shared());
    let redlock = redlock.ttl(SHORT).build().expect("legal");
    let mut guard = world.acquired(&redlock);
    // Too slow for renewals, which time out after a quarter of the short ttl.
    let (fastest, slowest) = (SHORT * 13 / 100, SHORT * 16 / 100);
    let slow =
        Network { shortest_latency: fastest, longest_latency: slowest, ..Network::default() };
    world.cluster.network(slow);
    world.sim.advance(world.random().between(Duration::ZERO, SHORT / 3));
    let extended = world.sim.block_on(guard.extend(TTL));
    check(extended.is_ok(), || "the extension came to nothing".to_owned())
}

/// A lock that was handed on is renewed by whoever adopted it; whoever had it neither releases it
/// nor tells a loss.
pub(crate) fn hands_on(seed: u64) -> Verdict {
    let world = World::new(seed, 3);
    let ((_, first), (_, second)) = (world.client(), world.client());
    let (first, second) = (first.build().expect("legal"), second.build().expect("legal"));
    let guard = world.acquired(&first);
    let loss = guard.loss();
    world.sim.advance(world.random().between(Duration::ZERO, TTL));
    let lease = guard.into_lease();
    world.sim.advance(NODE_TIMEOUT);
    let before = world.extends();
    world.sim.advance(world.random().between(Duration::ZERO, TTL / 2));
    check(world.extends() == before, || "renewed after it was handed on".to_owned())?;
    let plain = Lease::new(lease.resource().clone(), lease.token().clone(), lease.ttl());
    let adopted = world.sim.block_on(second.adopt(&plain)).map_err(|error| error.to_string())?;
    world.sim.advance(TTL * 5);
    check(adopted.is_valid(), || "the adopted lock is not renewed".to_owned())?;
    let told = world.sim.block_on(loss.lost());
    check(told.is_none(), || format!("told of a loss for {told:?}"))?;
    drop(first);
    world.sim.advance(NODE_TIMEOUT);
    check(world.keys() == 3, || format!("{} nodes have it", world.keys()))
}
