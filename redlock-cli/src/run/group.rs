//! The processes of a command: [`Group`].

use std::{
    ffi::OsStr,
    future::pending,
    io::{self, IsTerminal, stdin},
    os::unix::{ffi::OsStrExt, process::ExitStatusExt},
    process::{ExitStatus, Stdio},
    time::{Duration, SystemTime},
};

use redlocks::{Guard, Moment, Runtime};
use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpgid},
};
use tokio::process::{Child, Command};

use crate::{args::Run, exit::tell};

/// A command in a process group of its own, with whatever it starts there. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Group {
    leader: Child,
    id: Option<Pid>,
    status: Option<ExitStatus>,
}

/// What came of the stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    All,
    /// Some are still there, and may be at it.
    NotAll,
}

impl Group {
    /// Starts the command.
    pub(super) fn start(args: &Run, guard: &Guard) -> io::Result<Self> {
        // So that those whose parent has ended become children of this process, which reaps them:
        // a zombie that nobody reaps would pass for one that still runs.
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let (program, rest) = args.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let deadline = SystemTime::now() + guard.remaining();
        let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut command = Command::new(program);
        command
            .args(rest)
            .process_group(0)
            .env("REDLOCK_RESOURCE", guard.resource().as_str())
            .env("REDLOCK_TOKEN", OsStr::from_bytes(guard.token().as_bytes()))
            .env("REDLOCK_DEADLINE", in_seconds(deadline));
        match guard.fencing_token() {
            Some(fence) => command.env("REDLOCK_FENCING_TOKEN", fence.to_string()),
            // That of a lock around this one is none of this lock.
            None => command.env_remove("REDLOCK_FENCING_TOKEN"),
        };
        if stdin().is_terminal() {
            command.stdin(Stdio::null());
        }
        let leader = command.spawn()?;
        let id = leader.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        Ok(Self { leader, id, status: None })
    }

    /// Waits for the end of the command itself.
    ///
    /// # Cancel safety
    ///
    /// It can be waited for again.
    pub(super) async fn ended(&mut self) {
        match self.leader.wait().await {
            Ok(status) => self.status = Some(status),
            // It cannot be waited for; the lock's end, or a signal, ends it.
            Err(error) => {
                tell(format_args!("cannot wait for the command: {error}"));
                pending::<()>().await;
            }
        }
    }

    /// How the command ended: with its exit code, or by a signal.
    pub(super) fn status(&self) -> Option<Result<u8, i32>> {
        let status = self.status?;
        match status.code() {
            Some(code) => Some(Ok(u8::try_from(code).unwrap_or(u8::MAX))),
            None => status.signal().map(Err),
        }
    }

    /// Whether any of the processes is there. A command that has ended and was not waited for still
    /// is.
    pub(super) fn is_there(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.leader.try_wait().ok().flatten();
        }
        let Some(id) = self.id else { return false };
        if self.status.is_some() {
            // Not before, or it would take away what the library waits for.
            while let Ok(Some(_)) = waitpgid(id, WaitOptions::NOHANG) {}
        }
        // Who may not be signalled is there as well.
        test_kill_process_group(id) != Err(Errno::SRCH)
    }

    /// Passes a signal on to all of them.
    pub(super) fn forward(&self, number: i32) {
        let Some(signal) = Signal::from_named_raw(number) else { return };
        self.signal(signal);
        if [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM].contains(&signal) {
            // Who is stopped would not see it.
            self.signal(Signal::CONT);
        }
    }

    /// Asks all of them to end, and kills who is left at the last moment. Returns when nobody is, or
    /// will not go.
    pub(super) async fn stop(&mut self, runtime: &dyn Runtime, last: Moment) -> Stopped {
        self.forward(Signal::TERM.as_raw());
        while runtime.now() < last {
            if !self.is_there() {
                return Stopped::All;
            }
            runtime.sleep_until(last.min(runtime.now().after(LOOK))).await;
        }
        let give_up = runtime.now().after(DEATH);
        while self.is_there() {
            self.signal(Signal::KILL);
            if runtime.now() > give_up {
                tell("processes of the command could not be killed");
                return Stopped::NotAll;
            }
            runtime.sleep_until(runtime.now().after(LOOK)).await;
        }
        Stopped::All
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // Nobody may be left who could get it.
            let _ = kill_process_group(id, signal);
        }
    }
}

impl Drop for Group {
    /// After a panic: the lock ends with this process, so must the command.
    fn drop(&mut self) {
        if self.is_there() {
            self.signal(Signal::KILL);
        }
    }
}

fn in_seconds(since_epoch: Duration) -> String {
    format!("{}.{:03}", since_epoch.as_secs(), since_epoch.subsec_millis())
}

/// How often it is looked whether all have ended.
const LOOK: Duration = Duration::from_millis(5);

/// Who has not died of a SIGKILL by then waits for a device that does not answer.
const DEATH: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_has_three_decimals() {
        assert_eq!(in_seconds(Duration::from_micros(1_700_000_000_007_999)), "1700000000.007");
    }
}
