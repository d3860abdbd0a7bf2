//! What somebody writes who takes a client library alone.
//!
//! Each is as good as it can be made by hand: all servers are asked at once from one task; it goes
//! on with the majority's answer and drops what comes later. Scripts are loaded beforehand, Nagle's
//! algorithm is off. What they do not do: they wait for nobody, and give up no lock that they did
//! not get.

mod deadpool;
mod fred;
mod listening;
mod pipelined;
mod redis_rs;

use std::future::{Future, ready};

use futures::{StreamExt, stream::FuturesUnordered};
use rand::Rng;
use redis::{Cmd, ConnectionInfo, IntoConnectionInfo, io::tcp::TcpSettings};

pub(super) use self::{
    deadpool::client as over_deadpool, fred::client as over_fred, listening::client as listening,
    pipelined::client as pipelined, redis_rs::client as over_redis_rs,
};
use crate::Failure;

/// Whether a majority says yes. It is known with the answer that decides it.
async fn majority(answers: impl Iterator<Item: Future<Output = bool>>) -> bool {
    let answers: FuturesUnordered<_> = answers.collect();
    let quorum = answers.len() / 2 + 1;
    let granted = answers.filter(|granted| ready(*granted)).take(quorum).count().await;
    granted == quorum
}

fn token() -> [u8; 20] {
    let mut token = [0; 20];
    rand::rng().fill_bytes(&mut token);
    token
}

/// One with room for all of its words.
fn command(resource: &str) -> Cmd {
    Cmd::with_capacity(6, resource.len() + 100)
}

/// Without Nagle's algorithm, which is on by default.
fn at(url: &str) -> Result<ConnectionInfo, Failure> {
    let settings = TcpSettings::default().set_nodelay(true);
    Ok(url.into_connection_info()?.set_tcp_settings(settings))
}

const REFUSED: &str = "a majority of the servers did not grant the lock";
