//! What those sub-commands take by which a lock is held.

use std::{ffi::OsString, time::Duration};

use clap::Args;

use crate::span::span;

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
/// The lock is held for as long as the command runs, however long that is. If standard input is a
/// terminal, the command gets an empty one: it is not in the terminal's
/// foreground, and would be stopped for reading.
#[cfg(unix)]
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  $ redlock run nightly-report -- echo \"the report\"
  $ redlock run nightly-report --ttl 10s --wait 5s -- sh -c 'echo \"until $REDLOCK_DEADLINE\"'

Exit codes: that of the command, 128 + n if signal n ended it. Of its own: 2 usage, 69 too few \
nodes answered, 75 somebody else has the lock, 76 the lock was lost, or is kept because of processes \
that could not be killed, 126 the command cannot be \
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
    /// How much of the ttl is for stopping: the time between SIGTERM and SIGKILL, and a reserve;
    /// 5s, or a third of the ttl if that is less, unless it is said
    #[arg(long, value_name = "DURATION", value_parser = span)]
    pub(crate) grace: Option<Duration>,
    /// A word on who has the lock, for people who look at it: up to 128 visible ASCII characters,
    /// which become a part of the token; host/pid, unless it is said
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
