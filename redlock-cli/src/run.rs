//! `run`: a command that runs only while a lock is held.

mod group;
#[cfg(target_os = "linux")]
mod members;

use std::{io, iter, process, sync::Arc, time::Duration};

use futures::FutureExt;
use redlocks::{Guard, LossReason, Moment, Owner, Redlock, ReleaseOutcome, Runtime, TokioRuntime};
use rustix::process::Signal;
use tokio::task::yield_now;

use self::group::{Group, Stopped};
use crate::{
    args::{Common, Run},
    exit::{Exit, Outcome, tell},
    nodes::{builder, settle, timeout},
    signals::{Signals, unless_signalled},
    span::told,
};

/// Takes the lock, runs the command, and gives the lock up.
pub(crate) async fn run(common: &Common, args: &Run) -> Result<Outcome, Outcome> {
    let grace = args.grace.unwrap_or_else(|| LONGEST_GRACE.min(args.ttl / 3));
    let ttl = held(args.ttl, grace)?;
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
    let builder = builder(common, ttl)?.grace(grace).fencing(args.fencing);
    // The bound is the life of the command: there is no guard that could be forgotten.
    let builder = builder.max_hold(Duration::MAX);
    let owner = args.owner.clone().or_else(this_process);
    let builder = owner.into_iter().fold(builder, |builder, owner| builder.owner(owner));
    let redlock = builder.runtime(Arc::clone(&runtime)).build().map_err(Outcome::usage)?;
    let signals = Signals::ending().and_then(|signals| signals.and(&FORWARDED));
    let mut job = Job { args, runtime, grace, signals: signals.map_err(Outcome::failed)? };
    let done = job.work(&redlock).await;
    settle(&redlock, timeout(common, ttl)).await;
    let (Ok(outcome) | Err(outcome)) = done;
    Ok(outcome.detail("resource", &*args.name))
}

/// Where and as what this program runs, if the host has a name that can be told.
fn this_process() -> Option<String> {
    let host = rustix::system::uname();
    let owner = format!("{}/{}", host.nodename().to_str().ok()?, process::id());
    Owner::new(&*owner).is_ok().then_some(owner)
}

/// What of the ttl the lock is held for: all but the grace.
fn held(ttl: Duration, grace: Duration) -> Result<Duration, Outcome> {
    if grace < SHORTEST_GRACE {
        let (grace, least) = (told(grace), told(SHORTEST_GRACE));
        let message = format!("the grace {grace} is below {least}, too short to stop anything in");
        return Err(Outcome::usage(message));
    }
    let rest = ttl.checked_sub(grace).filter(|rest| !rest.is_zero());
    rest.ok_or_else(|| {
        let (grace, ttl) = (told(grace), told(ttl));
        Outcome::usage(format!("the grace {grace} leaves nothing of the ttl {ttl}"))
    })
}

/// The command and what watches over it.
struct Job<'a> {
    args: &'a Run,
    runtime: Arc<dyn Runtime>,
    grace: Duration,
    signals: Signals,
}

impl Job<'_> {
    async fn work(&mut self, redlock: &Redlock) -> Result<Outcome, Outcome> {
        let guard = self.acquire(redlock).await?;
        // What has arrived by now comes before the command; what comes later goes to it.
        yield_now().await;
        if let Some(signal) = end_by(&mut self.signals) {
            guard.release().await;
            return Err(Outcome::interrupted(signal));
        }
        if let Some(reason) = guard.loss().reason() {
            return Err(self.lost(reason, "the command was not started"));
        }
        let mut group = match Group::start(self.args, &guard) {
            Ok(group) => group,
            Err(error) => {
                guard.release().await;
                return Err(self.not_started(&error));
            }
        };
        let lost = self.watch(&guard, &mut group).await;
        let is_left = lost.is_some() || group.is_there();
        if is_left {
            self.tell_stop(lost);
            let stopped = group.stop(&*self.runtime, self.last_moment(&guard)).await;
            if stopped == Stopped::NotAll && guard.is_valid() {
                // Given up, somebody else would have it beside them. So nodes keep it for its ttl.
                drop(guard.into_lease());
                return Err(self.not_stopped());
            }
        }
        // Stopping took its time, and so did the command's last breath before it.
        let lost = lost.or_else(|| guard.loss().reason());
        let release = guard.release().await;
        if let Some(reason) = lost {
            return Err(self.lost(reason, "the command was stopped"));
        }
        match release.outcome() {
            ReleaseOutcome::Expired | ReleaseOutcome::TakenByAnother => {
                Err(Outcome::new(Exit::RUN_LOST, "lost").message(format!(
                    "the command has ended, but others may have had the lock meanwhile: {release}"
                )))
            }
            ReleaseOutcome::Unknown => Ok(ended(&group).message(release)),
            _ => Ok(ended(&group)),
        }
    }

    async fn acquire(&mut self, redlock: &Redlock) -> Result<Guard, Outcome> {
        let lock = redlock.lock(&self.args.name);
        let acquire = async {
            match self.args.wait {
                Some(patience) => lock.acquire_within(patience).await,
                None => lock.try_acquire().await,
            }
        };
        tokio::pin!(acquire);
        loop {
            match unless_signalled(&mut self.signals, &mut acquire).await {
                Ok(taken) => return taken.map_err(|error| Outcome::of_error(&error).of_run()),
                Err(signal) if ends(signal) => return Err(Outcome::interrupted(signal)),
                // Nothing is there yet that it could go to.
                Err(_) => {}
            }
        }
    }

    /// Until the command has ended or the lock is lost, whose reason is returned.
    async fn watch(&mut self, guard: &Guard, group: &mut Group) -> Option<LossReason> {
        loop {
            tokio::select! {
                biased;
                reason = guard.lost() => return Some(reason),
                signal = self.signals.next() => group.forward(signal),
                () = group.ended() => return guard.loss().reason(),
            }
        }
    }

    /// When nothing of the command may be left: nodes keep the lock for the grace after the end of
    /// its validity, or after its loss if that was told sooner.
    fn last_moment(&self, guard: &Guard) -> Moment {
        let now = self.runtime.now();
        let end = guard.lease().until().map_or(now, |until| until.min(now));
        end.after(self.grace.saturating_sub(reserve(self.grace)))
    }

    fn tell_stop(&self, lost: Option<LossReason>) {
        let name = &self.args.name;
        match lost {
            Some(reason) => tell(format_args!("lost {name:?}: {reason}; stopping the command")),
            None => tell("stopping what the command has left running"),
        }
    }

    fn lost(&self, reason: LossReason, what: &str) -> Outcome {
        let message = format!("lost {:?}: {reason}; {what}", self.args.name);
        Outcome::new(Exit::RUN_LOST, "lost").message(message)
    }

    fn not_stopped(&self) -> Outcome {
        let (name, ttl) = (&self.args.name, told(self.args.ttl));
        Outcome::new(Exit::RUN_LOST, "not_stopped").message(format!(
            "processes of the command could not be killed, so {name:?} is not given up: nodes keep \
             it for {ttl} at the most"
        ))
    }

    fn not_started(&self, error: &io::Error) -> Outcome {
        let (exit, name) = match error.kind() {
            io::ErrorKind::NotFound => (Exit::NO_SUCH_COMMAND, "no_such_command"),
            _ => (Exit::CANNOT_START, "cannot_start"),
        };
        let command = self.args.command.first().cloned().unwrap_or_default();
        Outcome::new(exit, name).message(format!("could not start {command:?}: {error}"))
    }
}

/// The command has ended under the lock, in its own way.
fn ended(group: &Group) -> Outcome {
    match group.status() {
        Some(Ok(code)) => Outcome::new(Exit(code), "ended"),
        Some(Err(signal)) => {
            Outcome::new(Exit::by_signal(signal), "ended_by_signal").detail("signal", signal)
        }
        None => Outcome::failed("could not learn how the command ended"),
    }
}

/// A signal that has arrived to end a program. What else has arrived is for a command that is there.
fn end_by(signals: &mut Signals) -> Option<i32> {
    iter::from_fn(|| signals.next().now_or_never()).find(|signal| ends(*signal))
}

/// Whether a signal is there to end a program.
fn ends(signal: i32) -> bool {
    ![Signal::WINCH, Signal::CONT, Signal::TSTP].map(Signal::as_raw).contains(&signal)
}

/// What of the grace is kept in reserve: on a busy machine whoever is woken runs late, and so does
/// who is killed.
fn reserve(grace: Duration) -> Duration {
    (grace / 2).min(Duration::from_millis(500))
}

/// Beside those that ask a program to end.
const FORWARDED: [i32; 6] = [
    Signal::USR1.as_raw(),
    Signal::USR2.as_raw(),
    Signal::ALARM.as_raw(),
    Signal::WINCH.as_raw(),
    Signal::TSTP.as_raw(),
    Signal::CONT.as_raw(),
];

const LONGEST_GRACE: Duration = Duration::from_secs(5);
const SHORTEST_GRACE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grace_is_a_part_of_the_ttl() {
        let [second, tenth] = [Duration::from_secs(1), Duration::from_millis(100)];
        assert_eq!(held(second, tenth).unwrap(), Duration::from_millis(900));
        for (ttl, grace) in [(second, second), (tenth, second), (second, Duration::from_millis(99))]
        {
            assert_eq!(held(ttl, grace).unwrap_err().exit, Exit::USAGE);
        }
    }

    #[tokio::test]
    async fn a_signal_that_ends_no_program_is_no_reason_not_to_start() {
        let all = || Signals::ending().unwrap().and(&FORWARDED).unwrap();
        // Both are told at the same time.
        let (mut told, mut asked) = (all(), all());
        for (signal, expected) in
            [(Signal::WINCH, None), (Signal::CONT, None), (Signal::USR1, Some(Signal::USR1))]
        {
            rustix::process::kill_process(rustix::process::getpid(), signal).unwrap();
            assert_eq!(told.next().await, signal.as_raw());
            assert_eq!(end_by(&mut asked), expected.map(Signal::as_raw));
        }
    }

    #[test]
    fn something_is_kept_in_reserve() {
        assert_eq!(reserve(SHORTEST_GRACE), Duration::from_millis(50));
        assert_eq!(reserve(Duration::from_secs(60)), Duration::from_millis(500));
    }
}
