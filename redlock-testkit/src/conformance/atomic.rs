//! That each call is atomic on the node.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::{FutureExt, future::BoxFuture};
use redlock_core::{LockNode, NodeError, Resource, Token, Vote};

use super::stage::{MINUTE, Stage, Stop, ensure, millis, resource, token, yield_now};

pub(super) async fn one_of_many_who_ask_at_once_is_granted(stage: &Stage<'_>) -> Result<(), Stop> {
    let nodes = [Arc::clone(&stage.node), stage.subject.open().await];
    for round in 0..5 {
        let calls = (0..64).map(|number| {
            let (node, name) = (Arc::clone(&nodes[number % 2]), resource(format!("{round}")));
            async move { node.acquire(&name, &token(format!("{number}")), *MINUTE).await }.boxed()
        });
        let votes = stage.at_once(calls).await?;
        let votes = votes.into_iter().collect::<Result<Vec<_>, _>>()?;
        let granted = votes.iter().filter(|vote| **vote == Vote::granted()).count();
        ensure!(granted == 1, "{granted} of 64 were granted.");
    }
    Ok(())
}

pub(super) async fn no_two_hold_at_once(stage: &Stage<'_>) -> Result<(), Stop> {
    let nodes = [Arc::clone(&stage.node), stage.subject.open().await];
    let holders = Arc::new(AtomicUsize::new(0));
    let workers = (0..8).map(|number| {
        let (node, holders) = (Arc::clone(&nodes[number % 2]), Arc::clone(&holders));
        async move {
            let (name, mut most) = (resource("r"), 0);
            for attempt in 0..25 {
                let mine = token(format!("{number}/{attempt}"));
                if node.acquire(&name, &mine, *MINUTE).await? == Vote::granted() {
                    most = most.max(holders.fetch_add(1, Ordering::SeqCst) + 1);
                    yield_now().await;
                    holders.fetch_sub(1, Ordering::SeqCst);
                    node.release(&name, &mine).await?;
                }
                yield_now().await;
            }
            Ok::<_, NodeError>(most)
        }
        .boxed()
    });
    let most = stage.at_once(workers).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let most = most.into_iter().max().unwrap_or(0);
    ensure!(most == 1, "{most} held at once.");
    Ok(())
}

pub(super) async fn two_releases_at_once_free_once(stage: &Stage<'_>) -> Result<(), Stop> {
    let (first, next) = (token("first"), token("next"));
    for [one, other] in STAGGERED {
        let name = resource(format!("{one} {other}"));
        stage.take(&name, &first).await?;
        let nodes = [(one, Arc::clone(&stage.node)), (other, stage.subject.open().await)];
        let [one, other] = nodes.map(|(delay, node)| {
            let (name, first) = (name.clone(), first.clone());
            async move {
                yield_times(delay).await;
                node.release(&name, &first).await
            }
            .boxed()
        });
        let votes = stage.at_once([one, other, until_granted(stage, &name, &next)]).await?;
        let votes = votes.into_iter().collect::<Result<Vec<_>, _>>()?;
        let granted = votes.iter().take(2).filter(|vote| **vote == Vote::granted()).count();
        ensure!(granted == 1, "{granted} of two releases were granted.");
        stage.held(&name, &next).await?;
    }
    Ok(())
}

pub(super) async fn an_extension_revives_nothing(stage: &Stage<'_>) -> Result<(), Stop> {
    let (first, next, longer) = (token("first"), token("next"), millis(3_600_000));
    for [sooner, later] in STAGGERED {
        let name = resource(format!("{sooner} {later}"));
        stage.take(&name, &first).await?;
        let other = stage.subject.open().await;
        let extend = {
            let (node, name, first) = (Arc::clone(&stage.node), name.clone(), first.clone());
            async move {
                yield_times(sooner).await;
                node.extend(&name, &first, longer).await
            }
            .boxed()
        };
        let release = {
            let (name, first) = (name.clone(), first.clone());
            async move {
                yield_times(later).await;
                other.release(&name, &first).await
            }
            .boxed()
        };
        let votes = stage.at_once([extend, release, until_granted(stage, &name, &next)]).await?;
        votes.into_iter().collect::<Result<Vec<_>, _>>()?;
        if let Some(left) = stage.held(&name, &next).await? {
            let too_long = left > MINUTE.get() * 2;
            ensure!(!too_long, "the next holder of a minute has {left:?}.");
        }
    }
    Ok(())
}

/// Acquires again and again.
fn until_granted(
    stage: &Stage<'_>,
    name: &Resource,
    token: &Token,
) -> BoxFuture<'static, Result<Vote, NodeError>> {
    let (node, name, token) =
        (Arc::<dyn LockNode>::clone(&stage.node), name.clone(), token.clone());
    async move {
        // In steps that need no time, so that it also ends where time stands still.
        for _ in 0..100_000 {
            match node.acquire(&name, &token, *MINUTE).await? {
                Vote::Refused(_) => yield_now().await,
                vote => return Ok(vote),
            }
        }
        Ok(Vote::held_by_another(None))
    }
    .boxed()
}

async fn yield_times(times: u32) {
    for _ in 0..times {
        yield_now().await;
    }
}

/// By how many steps each of two calls at once is held up: either may come first.
const STAGGERED: [[u32; 2]; 8] = [[0, 0], [0, 1], [1, 0], [0, 2], [2, 0], [0, 4], [4, 0], [0, 8]];
