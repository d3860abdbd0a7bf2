//! `lock`, `unlock` and `extend`: a lock whose holder is not this process.

use std::{
    ffi::OsStr,
    io::{BufRead, stdin},
    time::Duration,
};

use redlocks::{Error, Guard, Lease, Redlock, ReleaseOutcome, Renewal, Resource, Ttl};

use crate::{
    args::{Common, Extend, Lock, Unlock},
    exit::{Exit, Outcome},
    nodes::{any_ttl, ballots, builder, settle, timeout},
    signals::{Signals, unless_signalled},
    span::millis,
    token::{printed, token},
};

/// Takes a lock, and leaves it to whoever gets the token. What came of that, it has told itself.
pub(crate) async fn lock(common: &Common, args: &Lock) -> Result<Outcome, Outcome> {
    let mut builder = builder(common, args.ttl)?;
    if let Some(owner) = &args.owner {
        builder = builder.owner(owner.as_str());
    }
    let redlock = builder.build().map_err(Outcome::usage)?;
    let lock = redlock.lock(&args.name).renewal(Renewal::off()).fencing(args.fencing);
    let mut signals = Signals::ending().map_err(Outcome::failed)?;
    let acquire = async {
        let taken = match args.wait {
            Some(patience) => lock.acquire_within(patience).await,
            None => lock.try_acquire().await,
        };
        // A node that is a little slower than the quorum is to have the lock as well; after a
        // failure none is to keep what it has granted.
        settle(&redlock, timeout(common, args.ttl)).await;
        taken
    };
    let guard: Guard = match unless_signalled(&mut signals, acquire).await {
        Ok(Ok(guard)) => guard,
        Ok(Err(error)) => return Err(Outcome::of_error(&error).detail("resource", &*args.name)),
        Err(signal) => {
            // What was granted is on its way back.
            settle(&redlock, timeout(common, args.ttl)).await;
            return Err(Outcome::interrupted(signal));
        }
    };
    let lease = guard.lease();
    let mut outcome = Outcome::new(Exit::DONE, "acquired")
        .detail("resource", lease.resource().as_str())
        .detail("token", printed(lease.token()))
        .detail("ttl_ms", millis(lease.ttl().get()))
        .detail("validity_ms", millis(lease.validity()));
    if let Some(fence) = lease.fencing_token() {
        outcome = outcome.detail("fencing_token", fence.get());
    }
    let outcome = outcome.output(String::from_utf8_lossy(lease.token().as_bytes()));
    if let Err(error) = outcome.write(common.json) {
        // Nobody has the token, so nobody could give the lock up.
        guard.release().await;
        settle(&redlock, timeout(common, args.ttl)).await;
        let message = format!("could not print the token, and gave the lock up: {error}");
        let outcome = Outcome::failed(message);
        outcome.write_aside(common.json);
        return Ok(outcome);
    }
    // From here on it is whoever's that has read the token.
    let _theirs = guard.into_lease();
    Ok(outcome)
}

/// Gives up what was taken by [`lock`].
pub(crate) async fn unlock(common: &Common, args: &Unlock) -> Result<Outcome, Outcome> {
    let ttl = any_ttl(common);
    let lease = lease(&args.name, &args.token, ttl)?;
    let redlock = builder(common, ttl)?.build().map_err(Outcome::usage)?;
    let release = redlock.release(&lease).await;
    settle(&redlock, timeout(common, ttl)).await;
    let (name, report) = (lease.resource(), release.report());
    let outcome = match release.outcome() {
        ReleaseOutcome::Released => Outcome::new(Exit::DONE, "released"),
        ReleaseOutcome::Expired => Outcome::new(Exit::NOT_HELD, "not_held")
            .message(format!("{name:?} was not held by this token: {report}")),
        ReleaseOutcome::TakenByAnother => Outcome::new(Exit::NOT_HELD, "held_by_another")
            .message(format!("{name:?} was held by another, not by this token: {report}")),
        _ => Outcome::new(Exit::NO_QUORUM, "no_quorum").message(release.to_string()),
    };
    Ok(outcome.detail("resource", name.as_str()).detail("nodes", ballots(report)))
}

/// Keeps what was taken by [`lock`] for longer.
pub(crate) async fn extend(common: &Common, args: &Extend) -> Result<Outcome, Outcome> {
    let lease = lease(&args.name, &args.token, args.ttl)?;
    let redlock: Redlock = builder(common, args.ttl)?.build().map_err(Outcome::usage)?;
    let extended = redlock.extend(&lease, args.ttl).await;
    settle(&redlock, timeout(common, args.ttl)).await;
    let outcome = match extended {
        Ok(lease) => Outcome::new(Exit::DONE, "extended")
            .detail("ttl_ms", millis(lease.ttl().get()))
            .detail("validity_ms", millis(lease.validity())),
        Err(error @ Error::Lost { .. }) => {
            let nodes = error.report().map_or_else(String::new, |report| format!(": {report}"));
            let message = format!("{:?} is not held by this token{nodes}", lease.resource());
            Outcome::of_error(&error).message(message)
        }
        Err(error) => Outcome::of_error(&error),
    };
    Ok(outcome.detail("resource", &*args.name))
}

fn lease(name: &str, words: &OsStr, ttl: Duration) -> Result<Lease, Outcome> {
    let input = || -> Box<dyn BufRead> { Box::new(stdin().lock()) };
    let resource = Resource::new(name).map_err(Outcome::usage)?;
    let token = token(words, input).map_err(Outcome::usage)?;
    Ok(Lease::new(resource, token, Ttl::new(ttl).map_err(Outcome::usage)?))
}
