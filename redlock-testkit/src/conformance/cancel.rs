//! That the future of a call can be dropped.

use std::{sync::Arc, time::Duration};

use redlock_core::{Fence, LockNode, NodeError, Vote};

use super::stage::{MINUTE, Stage, Stop, ensure, poll_at_most, resource, token};
use crate::Operation;

/// Drops each call after no poll, after one, and so on until it finishes.
pub(super) async fn a_call_may_be_dropped_at_any_poll(stage: &Stage<'_>) -> Result<(), Stop> {
    use Operation::{
        Acquire, Agree, Extend, Inspect, List, Notify, Raise, Release, Reset, Subscribe,
    };

    let (mine, theirs) = (token("mine"), token("theirs"));
    let able = stage.node.notifications();
    let mut operations = vec![Acquire, Extend, Release, Inspect];
    operations.extend(able.iter().flat_map(|_| [Subscribe, Notify]));
    let fencing = stage.node.fencing();
    operations.extend(fencing.map(|_| Raise));
    let survey = stage.node.survey();
    operations.extend(survey.iter().flat_map(|_| [List, Reset]));
    let accord = stage.node.accord();
    operations.extend(accord.map(|_| Agree));
    for operation in operations {
        for polls in 0..MOST {
            let name = resource(format!("{operation} {polls}"));
            if operation != Acquire {
                stage.take(&name, &mine).await?;
            }
            let node = &stage.node;
            let call = async {
                match (operation, able) {
                    (Acquire, _) => drop(node.acquire(&name, &mine, *MINUTE).await?),
                    (Extend, _) => drop(node.extend(&name, &mine, *MINUTE).await?),
                    (Release, _) => drop(node.release(&name, &mine).await?),
                    (Inspect, _) => drop(node.inspect(&name).await?),
                    (Subscribe, Some(able)) => drop(able.subscribe(&name).await?),
                    (Notify, Some(able)) => able.notify(&name).await?,
                    (Subscribe | Notify, None) => {}
                    (Raise, _) => {
                        if let Some(fencing) = fencing {
                            fencing.raise(&name, &mine, Fence::default()).await?;
                        }
                    }
                    (List, _) => {
                        if let Some(survey) = survey {
                            survey.list(name.as_str(), None).await?;
                        }
                    }
                    (Agree, _) => {
                        if let Some(accord) = accord {
                            accord.agree(&name, "terms").await?;
                        }
                    }
                    (Reset, _) => {
                        if let Some(survey) = survey {
                            survey.reset(&name).await?;
                        }
                    }
                }
                Ok::<_, NodeError>(())
            };
            let finished = poll_at_most(call, polls).await.transpose()?.is_some();

            let other = resource(format!("after {operation} {polls}"));
            stage.take(&other, &theirs).await?;
            stage.held(&other, &theirs).await?;
            let vote = node.release(&other, &theirs).await?;
            ensure!(vote == Vote::granted(), "after {operation}, a release got {vote:?}.");
            if finished {
                break;
            }
            ensure!(polls + 1 < MOST, "{operation} is not finished after {MOST} polls.");
        }
    }
    Ok(())
}

/// With a node that has worked before, and with new ones whose first call it is.
pub(super) async fn a_dropped_acquire_does_not_overtake_its_release(
    stage: &Stage<'_>,
) -> Result<(), Stop> {
    let mine = token("mine");
    stage.free(&resource("warm")).await?;
    let mut names = Vec::new();
    for new in [false, true] {
        for polls in 0..MOST {
            let node = match new {
                true => stage.subject.open().await,
                false => Arc::<dyn LockNode>::clone(&stage.node),
            };
            let name = resource(format!("{new} {polls}"));
            let acquire = node.acquire(&name, &mine, *MINUTE);
            let finished = poll_at_most(acquire, polls).await.transpose()?.is_some();
            // Whether there was anything to release is unknown.
            node.release(&name, &mine).await?;
            names.push(name);
            if finished {
                break;
            }
            ensure!(polls + 1 < MOST, "acquire is not finished after {MOST} polls.");
        }
    }
    // What came late would be there by now.
    stage.sleep(Duration::from_millis(100)).await;
    for name in &names {
        let free = stage.free(name).await;
        free.map_err(|_| Stop::Broken(format!("a key was left behind ({name:?}).")))?;
    }
    Ok(())
}

const MOST: u32 = 1_000;
