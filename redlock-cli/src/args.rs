//! What can be said on the command line.

mod holding;
mod operating;

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

#[cfg(unix)]
pub(crate) use self::holding::Run;
pub(crate) use self::{
    holding::{Extend, Lock, Unlock},
    operating::{Doctor, List, Reset, Status},
};
use crate::span::span;

/// Take, keep, look at and give up distributed locks over independent Redis or Valkey servers.
///
/// A lock is held while a majority of the nodes says so, and ends by itself when its ttl is over.
/// Durations have a unit: 500ms, 10s, "1m 30s".
#[derive(Debug, Parser)]
#[command(name = "redlock", version, max_term_width = 100, after_long_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every sub-command takes.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// A node: `redis://[[user]:password@]host[:port][/database]`, rediss://… for TLS, or
    /// unix:///path; once for each node, or all of them in REDLOCK_NODES, separated by spaces or
    /// commas
    ///
    /// The command line of a process can be seen by others on its machine: a url with a password
    /// belongs into REDLOCK_NODES. There, a space or comma in a password is written %20 or %2C.
    #[arg(long = "node", value_name = "URL", global = true)]
    pub(crate) nodes: Vec<String>,
    /// How long a node may take to answer, connecting included: 1s, or a quarter of the ttl if that
    /// is less, unless it is said
    #[arg(long, value_name = "DURATION", value_parser = span, global = true)]
    pub(crate) timeout: Option<Duration>,
    /// Text that goes before each name on its way to the nodes, such as app:, as in the programs that
    /// share the locks
    #[arg(long, value_name = "TEXT", env = "REDLOCK_KEY_PREFIX", global = true)]
    pub(crate) key_prefix: Option<String>,
    /// Tell what came of it as one JSON object, on standard output (`run`: as the last line on
    /// standard error)
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Lock(Lock),
    Unlock(Unlock),
    Extend(Extend),
    #[cfg(unix)]
    Run(Run),
    Status(Status),
    List(List),
    Reset(Reset),
    Doctor(Doctor),
}

const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   not acquired, or not held (doctor: something is wrong)
  2   usage: the command line, REDLOCK_NODES, or settings that cannot go together
  3   no quorum: too few nodes answered
  70  something on this machine failed, such as writing the output
  128 + n  ended by signal n before anything was done
  `redlock run --help`, on Unix, has those of `run`.

Environment:
  REDLOCK_NODES  the nodes, if no --node is given";
