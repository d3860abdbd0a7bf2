use std::{future::Future, time::Duration};

use super::{error::Error, settings::Terms, shared::Shared};
use crate::{Retry, proto::Moment};

/// Makes attempts by the retry policy, or for as long as the patience lasts.
///
/// `once` is one attempt; it ends by the deadline that it is given.
pub(super) async fn persist<T, F>(
    shared: &Shared,
    terms: &Terms,
    retry: Retry,
    patience: Option<Duration>,
    once: impl Fn(Option<Moment>) -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let Some(patience) = patience else {
        return persist_until(shared, terms, retry, None, once).await;
    };
    let done = if patience.is_zero() {
        once(None).await
    } else {
        let deadline = shared.now().after(patience);
        persist_until(shared, terms, retry.unlimited(), Some(deadline), once).await
    };
    done.map_err(|error| timed_out(terms, patience, error))
}

async fn persist_until<T, F>(
    shared: &Shared,
    terms: &Terms,
    retry: Retry,
    deadline: Option<Moment>,
    once: impl Fn(Option<Moment>) -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    // What the last attempt needs: all that nodes may take, unless that would eat the patience.
    let reserve = deadline
        .map(|deadline| terms.node_timeout.min(deadline.since(shared.now()) / 2))
        .unwrap_or_default();
    let mut attempt = 0;
    loop {
        let error = match once(deadline).await {
            Err(error) if error.is_worth_a_retry() => error,
            done => return done,
        };
        attempt = u32::saturating_add(attempt, 1);
        let Some(pause) = retry.pause(attempt, shared.chance()) else {
            return Err(error);
        };
        let now = shared.now();
        let mut next = now.after(pause);
        if let Some(deadline) = deadline {
            // Rather a shorter pause than an attempt that nodes have no time to answer.
            next = next.min(deadline.before(reserve));
            if next <= now {
                return Err(error);
            }
        }
        shared.runtime.sleep_until(next).await;
    }
}

fn timed_out(terms: &Terms, patience: Duration, last: Error) -> Error {
    if !last.is_worth_a_retry() {
        return last;
    }
    Error::TimedOut { resource: terms.resource.clone(), patience, last: Box::new(last) }
}
