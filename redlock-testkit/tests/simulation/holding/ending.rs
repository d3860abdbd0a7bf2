//! That a lock ends when it should, and not before.

use std::time::Duration;

use redlock_core::{Error, LossReason, Renewal};

use super::{LONG, NODE_TIMEOUT, PAUSE, TTL, Verdict, World, check};

/// A guard that is forgotten keeps its lock until the longest hold is over, and no longer (R35).
pub(crate) fn ends_what_is_forgotten(seed: u64) -> Verdict {
    let world = World::new(seed, 3);
    let (_, redlock) = world.client();
    let max_hold = world.random().between(TTL, TTL * 10);
    let redlock = redlock.max_hold(max_hold).build().expect("legal");
    let start = world.sim.now();
    let guard = world.acquired(&redlock);
    let loss = guard.loss();
    std::mem::forget(guard);
    let free = world.next_holder().since(start);
    check(free + TTL / 50 >= max_hold, || format!("free after {free:?} of {max_hold:?}"))?;
    check(free <= max_hold + TTL, || format!("held for {free:?} of {max_hold:?}"))?;
    let reason = loss.reason();
    check(reason == Some(LossReason::HeldTooLong), || format!("lost for {reason:?}"))
}

/// The lock of a process that was killed is free after the ttl and the grace: not before validity
/// and grace are over, and not more than a twentieth later.
pub(crate) fn frees_what_the_dead_held(seed: u64) -> Verdict {
    let world = World::new(seed, 5);
    let random = world.random();
    let grace = random.between(Duration::ZERO, TTL);
    let (holder, redlock) = world.client();
    let redlock = redlock.grace(grace).build().expect("legal");
    let guard = world.acquired(&redlock);
    let loss = guard.loss();
    world.sim.advance(random.between(Duration::ZERO, TTL * 3));
    let killed = world.sim.now();
    let until = killed.after(loss.remaining());
    check(loss.is_valid(), || "the lock was lost before its holder died".to_owned())?;
    holder.freeze(Duration::from_secs(365 * 24 * 3600));
    let next = world.next_holder();
    let lifetime = TTL + grace;
    check(next >= until.after(grace), || {
        format!("free {:?} early", until.after(grace).since(next))
    })?;
    let after = next.since(killed);
    check(after <= lifetime * 21 / 20, || format!("free after {after:?}, not {lifetime:?}"))?;
    std::mem::forget(guard);
    Ok(())
}

/// A short job keeps its lock for the shortest hold, however it ends, and no longer.
pub(crate) fn holds_for_its_least(seed: u64) -> Verdict {
    let world = World::new(seed, 3);
    let (client, redlock) = world.client();
    let least = world.random().between(PAUSE, TTL * 98 / 100);
    let redlock = redlock.build().expect("legal");
    let start = world.sim.now();
    let lock = redlock.lock("r").hold_at_least(least);
    let guard = world.sim.block_on(lock.try_acquire()).expect("nothing is wrong");
    world.sim.advance(world.random().between(Duration::ZERO, least / 2));
    match seed % 3 {
        0 => drop(guard),
        1 => drop(world.sim.block_on(guard.release())),
        // Somebody has deleted the key from so many nodes that the lock is lost.
        _ => {
            let resource = guard.resource().clone();
            world.cluster.nodes()[..2].iter().for_each(|node| node.evict(&resource));
            let mut guard = guard;
            drop(world.sim.block_on(guard.extend(TTL)));
            drop(world.sim.block_on(guard.release()));
            let kept = world.cluster.nodes()[2].keys().len();
            return check(kept == 1, || "the last key was deleted at once".to_owned());
        }
    }
    drop(client);
    let held = world.next_holder().since(start);
    check(held >= least, || format!("free after {held:?}, not {least:?}"))?;
    check(held <= least + PAUSE * 4, || format!("held for {held:?}, not {least:?}"))
}

/// Renewal ends with the guard, whatever becomes of it (R36).
pub(crate) fn stops_with_its_guard(seed: u64) -> Verdict {
    let world = World::new(seed, 3);
    let (client, redlock) = world.client();
    let redlock = redlock.build().expect("legal");
    let guard = world.acquired(&redlock);
    let _onlooker = guard.loss();
    world.sim.advance(world.random().between(Duration::ZERO, TTL * 2));
    match seed % 3 {
        0 => drop(guard),
        1 => drop(world.sim.block_on(guard.release())),
        _ => {
            let bomb = async move {
                let _guard = guard;
                std::panic::resume_unwind(Box::new("planned"))
            };
            let bomb = futures::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(bomb));
            let panics = async move { drop::<Result<(), _>>(bomb.await) };
            world.sim.block_on(client.run(panics)).expect("the simulation runs");
        }
    }
    world.sim.advance(NODE_TIMEOUT);
    check(world.keys() == 0, || "an orphan of a renewed lock".to_owned())?;
    let before = world.extends();
    world.sim.advance(TTL * 5);
    check(world.extends() == before, || "renewed after its end".to_owned())
}

/// A machine that was suspended has lost its locks: who asks knows it at once, and who waits is told
/// although his timer has not moved (R1).
pub(crate) fn ends_while_the_machine_sleeps(seed: u64) -> Verdict {
    let world = World::new(seed, 3);
    let (client, redlock) = world.client();
    let renewal = if seed.is_multiple_of(2) { Renewal::off() } else { Renewal::default() };
    let redlock = redlock.ttl(LONG).renewal(renewal).build().expect("legal");
    let guard = world.acquired(&redlock);
    let loss = guard.loss();
    let told = client.run(async move { loss.lost().await });
    world.sim.advance(world.random().between(Duration::ZERO, LONG / 2));
    client.step_clock_forward(LONG + world.random().between(Duration::ZERO, LONG));
    check(!guard.is_valid(), || "valid after a sleep".to_owned())?;
    let woken = world.sim.now();
    let reason = world.sim.block_on(told).expect("the simulation runs");
    let after = world.sim.now().since(woken);
    check(reason == Some(LossReason::Expired), || format!("told of a loss for {reason:?}"))?;
    check(after <= Duration::from_secs(1), || format!("told {after:?} after a sleep"))
}

/// A loss that a majority of nodes is certain of is told with the next renewal, not with the end
/// of validity (R32).
pub(crate) fn tells_what_nodes_have_lost(seed: u64) -> Verdict {
    let world = World::new(seed, 3);
    let (client, redlock) = world.client();
    let redlock = redlock.build().expect("legal");
    let guard = world.acquired(&redlock);
    let loss = guard.loss();
    let told = client.run(async move { loss.lost().await });
    world.sim.advance(world.random().between(Duration::ZERO, TTL * 2));
    let lost_at = world.sim.now();
    // Twice, for a renewal that has just been granted would have healed them.
    for _ in 0..2 {
        world.cluster.nodes()[1..].iter().for_each(|node| node.evict(guard.resource()));
        world.sim.advance(PAUSE);
    }
    let reason = world.sim.block_on(told).expect("the simulation runs");
    let after = world.sim.now().since(lost_at);
    check(reason == Some(LossReason::QuorumLost), || format!("told of a loss for {reason:?}"))?;
    check(after <= TTL / 3 + NODE_TIMEOUT, || format!("told after {after:?}"))?;
    let extended = world.sim.block_on({
        let mut guard = guard;
        async move { guard.extend(TTL).await }
    });
    let quiet = matches!(extended, Err(Error::Lost { report: None, .. }));
    check(quiet, || format!("extending what is lost: {extended:?}"))
}
