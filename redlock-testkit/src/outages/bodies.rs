//! What happens in each outage.

use std::sync::Arc;

use futures::{FutureExt, future};
use redlock_core::{LockNode, Vote};

use super::{
    Failed, Outage,
    trial::{Call, TOKEN, Trial, ensure, in_time, until},
};
use crate::server::{Direction, Flow};

pub(super) async fn happen(
    outage: Outage,
    trial: &mut Trial,
    node: &dyn LockNode,
) -> Result<(), Failed> {
    match outage {
        Outage::AbsentAtStart => absent_at_start(trial, node).await,
        Outage::Killed => killed(trial, node).await,
        Outage::Hung => hung(trial, node).await,
        Outage::Refused => refused(trial, node).await,
        Outage::CutInReply => cut_in_reply(trial, node).await,
        Outage::LostReplies => lost_replies(trial, node).await,
        Outage::LostRequests => lost_requests(trial, node).await,
        Outage::LateRequest => late_request(trial, node).await,
        Outage::WrongPassword => wrong_password(trial, node).await,
        Outage::Replica => replica(trial, node).await,
    }
}

async fn absent_at_start(trial: &mut Trial, node: &dyn LockNode) -> Result<(), Failed> {
    unanswered(node).await?;
    trial.server.restart()?;
    trial.returns(node).await
}

async fn killed(trial: &mut Trial, node: &dyn LockNode) -> Result<(), Failed> {
    trial.warm_up(node).await?;
    trial.server.kill();
    unanswered(node).await?;
    trial.server.restart()?;
    trial.returns(node).await
}

async fn hung(trial: &mut Trial, node: &dyn LockNode) -> Result<(), Failed> {
    trial.warm_up(node).await?;
    let before = trial.carried_out(Call::Acquire)?;
    trial.server.stop();
    unanswered(node).await?;
    trial.server.cont();
    trial.returns(node).await?;
    // One of the outage, and those that asked for its end.
    let count = trial.carried_out(Call::Acquire)? - before;
    let most = 1 + trial.probes();
    ensure(count <= most, || format!("{count} acquires were carried out of {most}"))
}

async fn refused(trial: &mut Trial, node: &dyn LockNode) -> Result<(), Failed> {
    trial.warm_up(node).await?;
    trial.proxy.refuse();
    trial.proxy.cut();
    for call in Call::ALL {
        let reached = trial.fails(node, call).await?;
        ensure(!reached, || format!("{call:?} has reached a server that cannot be reached"))?;
    }
    trial.proxy.heal()?;
    trial.returns(node).await
}

async fn cut_in_reply(trial: &mut Trial, node: &dyn LockNode) -> Result<(), Failed> {
    for call in Call::ALL {
        ready(trial, node, call).await?;
        trial.proxy.when_request_has(TOKEN, Direction::Replies, Flow::CutAfter(1));
        let reached = trial.fails(node, call).await?;
        ensure(reached, || format!("{call:?} was not carried out: nothing is shown"))?;
        trial.returns(node).await?;
    }
    Ok(())
}

async fn lost_replies(trial: &mut Trial, node: &dyn LockNode) -> Result<(), Failed> {
    for call in Call::ALL {
        ready(trial, node, call).await?;
        trial.proxy.when_request_has(TOKEN, Direction::Replies, Flow::Lose);
        let lost = trial.proxy.traffic().replies.lost;
        let proxy = Arc::clone(&trial.proxy);
        let reset = async {
            until("a reply to be lost", || Ok(proxy.traffic().replies.lost > lost)).await?;
            proxy.cut();
            proxy.heal().map_err(Failed::from)
        };
        let (reached, reset) = future::join(trial.fails(node, call), reset).await;
        reset?;
        ensure(reached?, || format!("{call:?} was not carried out: nothing is shown"))?;
        trial.returns(node).await?;
    }
    Ok(())
}

async fn lost_requests(trial: &mut Trial, node: &dyn LockNode) -> Result<(), Failed> {
    trial.warm_up(node).await?;
    for new_connections in [false, true] {
        trial.proxy.set(Direction::Requests, Flow::Lose);
        if new_connections {
            trial.proxy.cut();
        }
        let reached = trial.fails(node, Call::Acquire).await?;
        ensure(!reached, || "a lost request was carried out".into())?;
        trial.proxy.heal()?;
        trial.returns(node).await?;
    }
    Ok(())
}

/// No adapter can help it: the release has come first, and the key stays until its ttl is over, or
/// until it is released once more. What a node must not do is to send the request twice.
async fn late_request(trial: &mut Trial, node: &dyn LockNode) -> Result<(), Failed> {
    trial.warm_up(node).await?;
    trial.proxy.when_request_has(TOKEN, Direction::Requests, Flow::Hold);
    let arrived = trial.proxy.traffic().requests;
    let proxy = Arc::clone(&trial.proxy);
    let strand = async {
        until("a request", || {
            let now = proxy.traffic().requests;
            // What has come since is held, all of it: the node makes one call at a time.
            Ok(now.arrived > arrived.arrived && now.arrived > now.passed + now.lost)
        })
        .await?;
        proxy.strand();
        proxy.set(Direction::Requests, Flow::Pass);
        Ok::<_, Failed>(())
    };
    let (reached, stranded) = future::join(trial.fails(node, Call::Acquire), strand).await;
    stranded?;
    ensure(!reached?, || "a request that was held has arrived".into())?;
    trial.returns(node).await?;

    let before = trial.carried_out(Call::Acquire)?;
    trial.proxy.deliver();
    until("the late request", || Ok(trial.carried_out(Call::Acquire)? > before)).await?;
    let keys = trial.server.keys()?;
    ensure(keys == ["r"], || format!("not what the late request makes: {keys:?}"))?;
    trial.returns(node).await
}

async fn wrong_password(trial: &mut Trial, node: &dyn LockNode) -> Result<(), Failed> {
    let reached = trial.fails(node, Call::Acquire).await?;
    ensure(!reached, || "carried out in spite of a wrong password".into())?;
    trial.right_password()?;
    trial.returns(node).await
}

async fn replica(trial: &mut Trial, node: &dyn LockNode) -> Result<(), Failed> {
    trial.warm_up(node).await?;
    let master = crate::server::Server::start()?;
    trial.server.replicate(&master)?;
    let reached = trial.fails(node, Call::Acquire).await?;
    ensure(!reached, || "a replica has carried an acquire out".into())?;
    trial.server.promote()?;
    trial.returns(node).await
}

/// Brings about that a call would be granted.
async fn ready(trial: &mut Trial, node: &dyn LockNode, call: Call) -> Result<(), Failed> {
    trial.warm_up(node).await?;
    match call {
        Call::Acquire => Ok(()),
        Call::Extend | Call::Release => {
            let vote = Call::Acquire.make(node).await?;
            ensure(vote == Vote::granted(), || format!("acquire before {call:?}: {vote:?}"))
        }
    }
}

/// An acquire while the server cannot be asked how often it has been carried out.
async fn unanswered(node: &dyn LockNode) -> Result<(), Failed> {
    let answer = in_time(Call::Acquire.make(node).boxed()).await?;
    ensure(answer.is_err(), || format!("answered in an outage: {answer:?}"))
}
