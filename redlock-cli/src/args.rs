//! What can be said on the command line.

use std::{ffi::OsString, time::Duration};

use clap::{Args, Parser, Subcommand};

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
    /// A node, as redis://[[user]:password@]host[:port][/database], rediss://… for TLS, or
    /// unix:///path; once for each node [env: REDLOCK_NODES, separated by spaces or commas]
    ///
    /// The command line of a process can be seen by others on its machine: a url with a password
    /// belongs into REDLOCK_NODES. There, a space or comma in a password is written %20 or %2C.
    #[arg(long = "node", value_name = "URL", global = true)]
    pub(crate) nodes: Vec<String>,
    /// How long a node may take to answer, connecting included [default: 1s, or a quarter of the
    /// ttl if that is less]
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

/// Take a lock and print its token, which is what gives it up or extends it
///
/// Nothing keeps the lock: it ends when its ttl is over, unless it is extended.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  $ token=$(redlock lock nightly-report 30s)
  $ redlock unlock nightly-report \"$token\"

Exit codes: 0 taken, 1 somebody else has it, 2 usage, 3 too few nodes answered.")]
pub(crate) struct Lock {
    /// What to lock: any text
    pub(crate) name: String,
    /// How long the nodes keep the lock
    #[arg(value_parser = span)]
    pub(crate) ttl: Duration,
    /// Go on trying for so long, rather than try once
    #[arg(long, value_name = "DURATION", value_parser = span)]
    pub(crate) wait: Option<Duration>,
    /// A word on who has the lock, for people who look at it: up to 128 visible ASCII characters,
    /// which become a part of the token
    #[arg(long, value_name = "TEXT", env = "REDLOCK_OWNER")]
    pub(crate) owner: Option<String>,
    /// With a fencing token: a number that grows with every holder, for the resource to refuse those
    /// who were one before (shown with --json)
    #[arg(long)]
    pub(crate) fencing: bool,
}

/// Give a lock up
///
/// That it was not held, by this token, is no success.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  $ token=$(redlock lock nightly-report 30s)
  $ redlock unlock nightly-report \"$token\"
  $ export JOB_TOKEN=$(redlock lock nightly-report 30s)
  $ redlock unlock nightly-report env:JOB_TOKEN

Exit codes: 0 given up, 1 it was not held by this token, 2 usage, 3 too few nodes answered.")]
pub(crate) struct Unlock {
    /// What is locked
    pub(crate) name: String,
    /// The token that `lock` printed; `-` for a line of standard input, `env:VARIABLE` for what that
    /// has
    pub(crate) token: OsString,
}

/// Have the nodes keep a lock for at least so long from now; it never becomes shorter
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  $ token=$(redlock lock nightly-report 10s)
  $ redlock extend nightly-report \"$token\" 30s
  $ echo \"$token\" | redlock unlock nightly-report -

Exit codes: 0 extended, 1 it was not held by this token, 2 usage, 3 too few nodes answered.")]
pub(crate) struct Extend {
    /// What is locked
    pub(crate) name: String,
    /// The token that `lock` printed; `-` for a line of standard input, `env:VARIABLE` for what that
    /// has
    pub(crate) token: OsString,
    /// How long the nodes keep the lock from now
    #[arg(value_parser = span)]
    pub(crate) ttl: Duration,
}

/// Run a command while holding a lock, and stop it if the lock is lost
///
/// The command is started once the lock is held, in a process group of its own, and the lock is
/// renewed while it runs. HUP, INT, QUIT, TERM, USR1, USR2, ALRM, WINCH, TSTP and CONT go on to the
/// group. If the lock is lost the group gets SIGTERM, and SIGKILL before the nodes forget the lock.
/// What the command leaves running in its group is ended the same way before the lock is given up.
///
/// It has in its environment: REDLOCK_RESOURCE, what is locked; REDLOCK_TOKEN; REDLOCK_DEADLINE,
/// until when the lock is held if nothing renews it, in seconds since 1970 with three decimals, as
/// it stood at the start; with --fencing REDLOCK_FENCING_TOKEN.
///
/// If standard input is a terminal, the command gets an empty one: it is not in the terminal's
/// foreground, and would be stopped for reading.
#[cfg(unix)]
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  $ redlock run nightly-report -- echo \"the report\"
  $ redlock run nightly-report --ttl 10s --wait 5s -- sh -c 'echo \"until $REDLOCK_DEADLINE\"'

Exit codes: that of the command, 128 + n if signal n ended it. Of its own: 2 usage, 69 too few \
nodes answered, 75 somebody else has the lock, 76 the lock was lost, 126 the command cannot be \
started, 127 there is no such command, 128 + n if signal n came before the command was started.")]
pub(crate) struct Run {
    /// What to lock: any text
    pub(crate) name: String,
    /// How long the nodes keep the lock if it is not renewed, by which time nothing of the command
    /// is left
    #[arg(long, value_name = "DURATION", value_parser = span, default_value = "30s")]
    pub(crate) ttl: Duration,
    /// Go on trying for so long, rather than try once
    #[arg(long, value_name = "DURATION", value_parser = span)]
    pub(crate) wait: Option<Duration>,
    /// How much of the ttl is for stopping: the time between SIGTERM and SIGKILL, and a little more
    /// [default: 5s, or a third of the ttl if that is less]
    #[arg(long, value_name = "DURATION", value_parser = span)]
    pub(crate) grace: Option<Duration>,
    /// A word on who has the lock, for people who look at it: up to 128 visible ASCII characters,
    /// which become a part of the token [default: host/pid]
    #[arg(long, value_name = "TEXT", env = "REDLOCK_OWNER")]
    pub(crate) owner: Option<String>,
    /// With a fencing token: a number that grows with every holder, for the resource to refuse those
    /// who were one before
    #[arg(long)]
    pub(crate) fencing: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

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

const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   not acquired, or not held (doctor: something is wrong)
  2   usage: the command line, REDLOCK_NODES, or settings that cannot go together
  3   no quorum: too few nodes answered
  70  something on this machine failed, such as writing the output
  128 + n  ended by signal n before anything was done
  `redlock run --help` has those of `run`.

Environment:
  REDLOCK_NODES  the nodes, if no --node is given";
