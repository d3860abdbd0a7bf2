//! The life of one lane: [`keep`].

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use deadpool_redis::Object;
use futures::{channel::oneshot, future};
use redis::aio::MultiplexedConnection;
use redlock_core::{FailureKind, NodeError};
use tokio::time::{sleep, timeout};

use super::{
    checkout::{Failed, check_out, late},
    lane::Lane,
    lanes::Gone,
    node::Config,
    tenancy::Tenancy,
};
use crate::{connection::Connection, introduction::introduce};

/// Gets a connection out of the pool, opens it to calls, and gives it back when they are done.
///
/// A task of its own, because callers may be dropped or not polled at any time; one for each time
/// that a connection is got out, which under load is seldom.
pub(super) async fn keep(
    config: Config,
    tenancy: Tenancy,
    gone: Gone,
    report: oneshot::Sender<Result<(), NodeError>>,
) {
    let life = async {
        let opened = timeout(config.connect_timeout, open(&config, &tenancy)).await;
        match opened.unwrap_or_else(|_| Err(late(&config))) {
            Ok(held) => {
                tenancy.opened(Arc::clone(&held.lane));
                // Nobody waits any more if this fails.
                let _ = report.send(Ok(()));
                watch(&config, &tenancy, &held.lane).await;
                hand_back(&config, &tenancy, held).await;
            }
            Err(failed) => {
                tenancy.failed(&failed);
                // Whoever is told and tries again must find what became of this attempt.
                drop(tenancy);
                let _ = report.send(Err(failed.error));
            }
        }
    };
    // Dropped in the middle, the connection goes back to the pool only if nothing is under way.
    future::select(pin!(life), gone).await;
}

async fn open(config: &Config, tenancy: &Tenancy) -> Result<Held, Failed> {
    let object = check_out(config).await?;
    let made = Object::metrics(&object).created;
    let mut handle = MultiplexedConnection::clone(&object);
    // This crate has timeouts of its own, which leave alone what was sent.
    handle.set_response_timeout(Duration::MAX);
    let lane = Arc::new(Lane::new(tenancy.number, Connection::Multiplexed(handle)));
    let held = Held { object: Some(object), lane };
    if let Some(lanes) = tenancy.lanes.upgrade().filter(|lanes| lanes.is_news(made)) {
        held.lane.doubt();
        let mut connection = held.lane.connection.clone();
        let introduced = introduce(&mut connection, config.eviction).await;
        let introduced = introduced.map_err(|cause| Failed {
            error: cause.of_connecting(&config.label, FailureKind::Unreachable),
            full: false,
        })?;
        held.lane.settle(held.lane.doubts());
        lanes.introduced(made, &introduced);
    }
    Ok(held)
}

/// Waits until the lane is in doubt, or idle, or others want a connection too.
async fn watch(config: &Config, tenancy: &Tenancy, lane: &Lane) {
    let mut rides = None;
    while !lane.is_retired() {
        if timeout(TICK, lane.bell.notified()).await.is_ok() {
            continue;
        }
        let idle = !lane.has_riders() && rides == Some(lane.rides());
        rides = Some(lane.rides());
        if idle || config.pool.status().waiting > 0 {
            tenancy.lanes.upgrade().inspect(|lanes| lanes.retire(lane));
        }
    }
}

/// Puts the connection back when the server has answered everything that was sent.
///
/// The pool tests a connection by a PING before it hands it out, which would wait behind whatever
/// has no answer: so a connection that is not done soon is taken out of the pool, which can then
/// make another one. It is still needed, for the releases of what it may have taken.
async fn hand_back(config: &Config, tenancy: &Tenancy, mut held: Held) {
    let lane = Arc::clone(&held.lane);
    let mut quiet = pin!(quiet(tenancy, &lane));
    let grace =
        if lane.is_in_doubt() { GRACE } else { config.response_timeout.saturating_add(GRACE) };
    if timeout(grace, &mut quiet).await.is_ok() {
        return;
    }
    let _hung_up_in_the_end = held.object.take().map(Object::take);
    if let Some(too_many) = tenancy.lanes.upgrade().map(|lanes| lanes.set_aside()) {
        let limit = pin!(sleep(LIMIT));
        future::select(quiet, future::select(too_many, limit)).await;
    }
}

/// Completes when nothing is under way on the lane and it is closed: nothing is in doubt any more,
/// or the connection has ended.
fn quiet(tenancy: &Tenancy, lane: &Lane) -> impl Future<Output = ()> {
    let mut connection = lane.connection.clone();
    async move {
        loop {
            let Some(lanes) = tenancy.lanes.upgrade() else { return };
            if lanes.close_if_quiet(lane) {
                return;
            }
            drop(lanes);
            if lane.is_in_doubt() {
                let doubts = lane.doubts();
                match connection.send(&redis::cmd("PING")).await {
                    // Refused is answered too.
                    Err(error) if error.code().is_none() => {
                        tenancy.lanes.upgrade().inspect(|lanes| lanes.close(lane));
                        return;
                    }
                    _ => lane.settle(doubts),
                }
            } else if lane.has_riders() {
                lane.bell.notified().await;
            }
        }
    }
}

/// A connection out of the pool, and what is known of it.
struct Held {
    object: Option<Object>,
    lane: Arc<Lane>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(object) = self.object.take()
            && (self.lane.has_riders() || self.lane.is_in_doubt())
        {
            drop(Object::take(object));
        }
    }
}

/// An idle lane is given up after one to two of these; somebody who waits for a connection of the
/// pool gets it after one.
const TICK: Duration = Duration::from_millis(10);
/// How long a connection in doubt takes the place of another one in the pool.
const GRACE: Duration = Duration::from_millis(100);
/// How long a connection is waited for that does not answer.
const LIMIT: Duration = Duration::from_secs(30);
