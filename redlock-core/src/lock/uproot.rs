use std::sync::Arc;

use futures::FutureExt;

use super::{inquiry::Inquiry, shared::Shared};
use crate::{ConfigError, FailureKind, LockNode, NodeError, Resource, Token, Vote, proto::NodeSet};

/// What became of the tokens of a reset at each node: those that were found there and removed, or
/// why the node failed.
pub(super) type Uprooted = Vec<Result<Vec<Token>, NodeError>>;

/// Sees to it that whoever has been removed from a resource does not come back.
///
/// Nodes carry a reset out one after the other. A holder who extends the lock in between has a
/// quorum left, and has the first of them set the key again. So what was removed is given up until
/// a round finds it nowhere: then there is no quorum left that could heal the others. Nobody but
/// those who were removed is asked for, so whoever has come since is left alone.
///
/// Those who wait in this process behind such a holder, and he himself, are told when it is done.
///
/// `without` are nodes that have failed: they have been told of, and are not waited for again.
pub(super) async fn uproot(
    shared: &Arc<Shared>,
    resource: &Resource,
    tokens: &[Token],
    mut without: NodeSet,
) -> Result<Uprooted, ConfigError> {
    let mut uprooted: Uprooted = shared.nodes.iter().map(|_| Ok(Vec::new())).collect();
    if tokens.is_empty() {
        return Ok(uprooted);
    }
    for round in 1..=MOST_ROUNDS {
        let mut inquiry = Inquiry::begin(shared, resource, without, |node| {
            let (resource, tokens) = (resource.clone(), tokens.to_vec());
            async move {
                let mut found = Vec::new();
                for token in tokens {
                    if give_up(&*node, &resource, &token).await? {
                        found.push(token);
                    }
                }
                Ok(found)
            }
            .boxed()
        })?;
        while inquiry.hear().await {}
        let mut is_over = true;
        for (place, label, found) in inquiry.end() {
            match found {
                Ok(found) if found.is_empty() => {}
                Ok(_) if round == MOST_ROUNDS => {
                    let error = NodeError::new(label, FailureKind::Other);
                    uprooted[place] = Err(error.with_source("its holder sets it again and again"));
                    without.insert(place);
                }
                Ok(found) => {
                    is_over = false;
                    if let Ok(before) = &mut uprooted[place] {
                        for token in found {
                            if !before.contains(&token) {
                                before.push(token);
                            }
                        }
                    }
                }
                Err(error) => {
                    uprooted[place] = Err(error);
                    without.insert(place);
                }
            }
        }
        if is_over {
            break;
        }
    }
    shared.queues.uprooted(resource, tokens, shared.quorum.all().without(without));
    Ok(uprooted)
}

/// Whether the node had the resource for this token. It has no more, and those who wait are told.
async fn give_up(
    node: &dyn LockNode,
    resource: &Resource,
    token: &Token,
) -> Result<bool, NodeError> {
    let vote = match node.notifications() {
        Some(node) => node.release_and_notify(resource, token).await?.vote,
        None => node.release(resource, token).await?,
    };
    Ok(matches!(vote, Vote::Granted { .. }))
}

/// How often what was removed is looked for again. Once, but for a holder who extends his lock all
/// the time, on nodes that answer at very different times.
const MOST_ROUNDS: u32 = 8;
