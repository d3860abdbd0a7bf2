//! Getting a connection out of the pool: [`check_out`].

use std::sync::Arc;

use deadpool_redis::{HookError, Object, PoolError, TimeoutType};
use redlock_core::{Delivery, FailureKind, NodeError};

use super::node::Config;
use crate::error::Cause;

/// Why there is no connection.
pub(super) struct Failed {
    pub(super) error: NodeError,
    /// All are in use, which says nothing about the server.
    pub(super) full: bool,
}

/// Waits for a connection of the pool, or for a new one. Whoever calls it bounds it.
pub(super) async fn check_out(config: &Config) -> Result<Object, Failed> {
    // As the pool itself knows its connections: only these tell when they were made.
    let pool = config.pool.weak().upgrade().expect("the pool is held here");
    pool.get().await.map_err(|error| failed(&config.label, error))
}

/// The connect timeout has passed.
pub(super) fn late(config: &Config) -> Failed {
    let error =
        Cause::Late(config.connect_timeout).of_connecting(&config.label, FailureKind::Unreachable);
    let status = config.pool.status();
    let full = status.size >= status.max_size && status.available == 0;
    let error = if full { error.with_source(Full) } else { error };
    Failed { error, full }
}

fn failed(label: &Arc<str>, error: PoolError) -> Failed {
    let fail = |kind| NodeError::new(Arc::clone(label), kind).with_delivery(Delivery::NotSent);
    let error = match error {
        PoolError::Timeout(TimeoutType::Wait) => {
            return Failed { error: fail(FailureKind::TimedOut).with_source(Full), full: true };
        }
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
            Cause::Redis(error).of_connecting(label, FailureKind::Unreachable)
        }
        PoolError::Timeout(_) => fail(FailureKind::TimedOut).with_source(Slow),
        PoolError::PostCreateHook(error) => fail(FailureKind::Other).with_source(error),
        PoolError::Closed => closed(label),
        error @ PoolError::NoRuntimeSpecified => fail(FailureKind::Other).with_source(error),
    };
    Failed { error, full: false }
}

/// The pool gives no connections any more.
pub(super) fn closed(label: &Arc<str>) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::Closed)
        .with_delivery(Delivery::NotSent)
        .with_source(Closed)
}

#[derive(Debug, thiserror::Error)]
#[error("every connection of the pool is in use")]
struct Full;

#[derive(Debug, thiserror::Error)]
#[error("the pool could not make a connection within its own timeout")]
struct Slow;

#[derive(Debug, thiserror::Error)]
#[error("the pool has been closed")]
struct Closed;

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn whatever_the_pool_says_nothing_was_sent() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused).into();
        for (error, kind, full) in [
            (PoolError::Timeout(TimeoutType::Wait), FailureKind::TimedOut, true),
            (PoolError::Timeout(TimeoutType::Create), FailureKind::TimedOut, false),
            (PoolError::Timeout(TimeoutType::Recycle), FailureKind::TimedOut, false),
            (PoolError::Backend(refused()), FailureKind::Unreachable, false),
            (
                PoolError::PostCreateHook(HookError::Backend(refused())),
                FailureKind::Unreachable,
                false,
            ),
            (PoolError::PostCreateHook(HookError::message("no")), FailureKind::Other, false),
            (PoolError::Closed, FailureKind::Closed, false),
            (PoolError::NoRuntimeSpecified, FailureKind::Other, false),
        ] {
            let failed = failed(&Arc::from("n"), error);
            assert_eq!(failed.error.kind(), kind, "{}", failed.error);
            assert_eq!(failed.error.delivery(), Delivery::NotSent);
            assert_eq!(failed.full, full);
            assert!(!failed.error.to_string().contains('\n'));
        }
    }
}
