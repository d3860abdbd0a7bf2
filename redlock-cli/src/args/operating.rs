//! What those sub-commands take that are for people who operate locks.

use std::time::Duration;

use clap::Args;

use crate::span::span;

/// Tell whether a lock is held, by what a quorum of nodes says
///
/// It was so a moment ago. Whoever wants to know that he has the lock takes it.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  $ token=$(redlock lock nightly-report 30s --owner build-7)
  $ redlock status nightly-report

Exit codes: 0 held, 1 not held, 2 usage, 3 too few nodes answered to tell.")]
pub(crate) struct Status {
    /// What may be locked
    pub(crate) name: String,
}

/// List the locks that are held: name, owner, how much longer, and by how many nodes
///
/// Nodes do not know what a key is for and tell every string that expires, so where other things
/// are kept as well, locks need a prefix. What comes or goes while they are listed may be missed.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  $ token=$(redlock lock nightly-report 30s)
  $ redlock list nightly-
  $ redlock list --all --json

Exit codes: 0 listed, 2 usage, 3 too few nodes answered.")]
pub(crate) struct List {
    /// What the names begin with
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// Also what less than a quorum of nodes has for one token, which is no lock that is held
    #[arg(long)]
    pub(crate) all: bool,
}

/// Take a lock away from whoever has it, and wake those who wait for it
///
/// This breaks mutual exclusion unless the holder is known to be gone: it is not asked, is told only
/// when it next looks, and works on until then.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  $ token=$(redlock lock nightly-report 30s)
  $ redlock reset nightly-report

Exit codes: 0 removed, and free on a quorum of nodes, 1 nobody had it, 2 usage, 3 too few nodes answered.")]
pub(crate) struct Reset {
    /// What is locked
    pub(crate) name: String,
}

/// Ask each node how it is, and say in plain words what is wrong or risky
///
/// Each node is asked for its INFO, configuration and clock, and for a lock of a random name, which
/// is given up at once. A problem keeps a node from voting, or makes its votes worthless; a risk can
/// let two clients hold one lock, or cost more than it should; a note is for your information.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  $ redlock doctor --accept no-persistence
  $ redlock doctor --ttl 30s --accept no-persistence --json

Exit codes: 0 no problem and no risk that was not accepted, 1 some, 2 usage, 3 no quorum of the nodes \
can be used.")]
pub(crate) struct Doctor {
    /// The ttl that the locks have, for what is judged by it
    #[arg(long, value_name = "DURATION", value_parser = span, default_value = "10s")]
    pub(crate) ttl: Duration,
    /// What the name of the lock that is tried begins with, for users who may use such names only
    #[arg(long, value_name = "TEXT", default_value = "redlock-doctor:")]
    pub(crate) prefix: String,
    /// A risk that is known and accepted, by its name in brackets: still shown, but not counted
    #[arg(long, value_name = "NAME")]
    pub(crate) accept: Vec<String>,
}
