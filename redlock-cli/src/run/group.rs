//! The processes of a command: [`Group`].

use std::{
    ffi::OsStr,
    io::{self, IsTerminal, stdin},
    os::unix::{
        ffi::OsStrExt,
        process::{CommandExt, ExitStatusExt},
    },
    process::{Command, ExitStatus, Stdio},
    time::{Duration, SystemTime},
};

use redlocks::{Guard, Moment, Runtime};
use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, wait},
};
use tokio::{
    signal::unix::{self, SignalKind},
    time::timeout,
};

#[cfg(target_os = "linux")]
use super::members::Members;
use crate::{args::Run, exit::tell};

/// A command in a process group of its own, with whatever it starts there. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Group {
    /// That of the command itself as well.
    id: Pid,
    /// Told when a child has ended.
    deaths: unix::Signal,
    status: Option<ExitStatus>,
    #[cfg(target_os = "linux")]
    members: Members,
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
        Self::of(&mut command)
    }

    fn of(command: &mut Command) -> io::Result<Self> {
        // Before there are children: where whoever started this process has it ignore their end,
        // they would leave no status, neither here nor in the command, which would ignore it too.
        let deaths = unix::signal(SignalKind::child())?;
        let leader = command.process_group(0).spawn()?;
        let id = Pid::from_child(&leader);
        Ok(Self {
            id,
            deaths,
            status: None,
            #[cfg(target_os = "linux")]
            members: Members::of(id),
        })
    }

    /// Waits for the end of the command itself, and meanwhile reaps whoever else ends. If it cannot
    /// be waited for, that is told, and the status stays unknown.
    ///
    /// # Cancel safety
    ///
    /// It can be waited for again.
    pub(super) async fn ended(&mut self) {
        loop {
            match self.reap() {
                Ok(()) if self.status.is_some() => return,
                Ok(()) => {}
                Err(error) => return tell(format_args!("cannot wait for the command: {error}")),
            }
            // Nothing is told where whoever started this process has it block the signal.
            let _ = timeout(LOOK_ANYWAY, self.deaths.recv()).await;
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

    /// Whether any of the processes is there.
    pub(super) fn is_there(&mut self) -> bool {
        // If nobody can be reaped, that is told elsewhere.
        let _ = self.reap();
        // Who may not be signalled is there as well.
        test_kill_process_group(self.id) != Err(Errno::SRCH) && !self.have_ended()
    }

    /// Whether those who are left have ended, and only their parents, which are not this process,
    /// have yet to wait for them.
    #[cfg(target_os = "linux")]
    fn have_ended(&mut self) -> bool {
        self.members.have_ended() && {
            // Who was started while it was looked may have been overlooked; who is killed starts
            // nobody.
            self.signal(Signal::KILL);
            self.members.have_ended()
        }
    }

    /// The same where nobody tells: who has ended passes for one that is there.
    #[cfg(not(target_os = "linux"))]
    fn have_ended(&self) -> bool {
        false
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

    /// Takes note of every child that has ended: the command, and the orphans that this process has
    /// become the parent of, which may have left the group.
    fn reap(&mut self) -> io::Result<()> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((id, status))) if id == self.id => {
                    self.status = Some(ExitStatus::from_raw(status.as_raw()));
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return Ok(()),
                // There are no children any more.
                Err(Errno::CHILD) if self.status.is_some() => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn signal(&self, signal: Signal) {
        // Nobody may be left who could get it.
        let _ = kill_process_group(self.id, signal);
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

/// How often it is looked whether the command has ended although nobody told.
const LOOK_ANYWAY: Duration = Duration::from_millis(200);

/// Who has not died of a SIGKILL by then waits for a device that does not answer.
const DEATH: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use rustix::process::waitpid;

    use super::*;

    #[tokio::test]
    async fn a_command_that_cannot_be_waited_for_has_ended_somehow() {
        let mut group = Group::of(&mut Command::new("true")).unwrap();
        // As if somebody else had reaped it.
        waitpid(Some(group.id), WaitOptions::empty()).unwrap();
        group.ended().await;
        assert_eq!(group.status(), None);
        assert!(!group.is_there());
    }

    #[test]
    fn a_deadline_has_three_decimals() {
        assert_eq!(in_seconds(Duration::from_micros(1_700_000_000_007_999)), "1700000000.007");
    }
}
