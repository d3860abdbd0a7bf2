use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::contend::Turn;
use crate::{client::Kind, clock::Instant};

/// What a worker is to do next.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Make this client and get connected.
    Connect { kind: Kind, urls: Vec<String> },
    /// Acquire and release, so often, each time after this pause.
    Pairs { resource: String, count: usize, pause: Duration },
    /// Acquire and keep.
    Acquire { resource: String },
    /// Release what is kept.
    Release,
    /// Compete with others.
    Contend(Contest),
}

/// What many workers do at one time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Contest {
    pub(crate) resource: String,
    /// How many tasks of each worker want the lock.
    pub(crate) tasks: usize,
    pub(crate) hold: Duration,
    pub(crate) from: Instant,
    pub(crate) until: Instant,
}

/// What came of an order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Done,
    Pairs(Vec<Duration>),
    /// When the acquire returned, or the release was called.
    At(Instant),
    Turns(Vec<Turn>),
    Failed(String),
}
