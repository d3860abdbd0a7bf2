use std::{
    env,
    io::{BufRead, BufReader, Write},
    num::NonZeroUsize,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use super::{Answer, Order, Turn};
use crate::{Failure, client::Kind, clock::Instant};

/// A process that locks. Ended when dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
}

impl Worker {
    /// Starts a process and has it connect.
    pub(crate) fn start(
        kind: Kind,
        urls: &[String],
        threads: NonZeroUsize,
    ) -> Result<Self, Failure> {
        let mut child = Command::new(env::current_exe()?)
            .arg("worker")
            .args(["--threads", &threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(orders), Some(out)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a process that was started with pipes has none".into());
        };
        // A thread of its own, so that a worker that hangs is found out.
        let (sender, answers) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(out).lines().map_while(Result::ok);
            lines.map(|line| sender.send(line)).take_while(Result::is_ok).for_each(drop);
        });
        let mut worker = Self { child, orders, answers };
        worker.tell(&Order::Connect { kind, urls: urls.to_vec() })?;
        worker.answer()?;
        Ok(worker)
    }

    /// Says what to do, without waiting for it.
    pub(crate) fn tell(&mut self, order: &Order) -> Result<(), Failure> {
        let line = serde_json::to_string(order)? + "\n";
        self.orders.write_all(line.as_bytes())?;
        Ok(self.orders.flush()?)
    }

    /// Waits for the end of an acquire or a release: when it returned, or was called.
    pub(crate) fn instant(&mut self) -> Result<Instant, Failure> {
        match self.answer()? {
            Answer::At(at) => Ok(at),
            other => Err(unexpected(&other)),
        }
    }

    /// Waits for how long each pair has taken.
    pub(crate) fn pairs(&mut self) -> Result<Vec<Duration>, Failure> {
        match self.answer()? {
            Answer::Pairs(pairs) => Ok(pairs),
            other => Err(unexpected(&other)),
        }
    }

    /// Waits for the end of a contest.
    pub(crate) fn turns(&mut self) -> Result<Vec<Turn>, Failure> {
        match self.answer()? {
            Answer::Turns(turns) => Ok(turns),
            other => Err(unexpected(&other)),
        }
    }

    fn answer(&mut self) -> Result<Answer, Failure> {
        let line = self.answers.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("a worker is silent for {PATIENCE:?}"),
            RecvTimeoutError::Disconnected => "a worker has ended".to_owned(),
        })?;
        match serde_json::from_str(&line)? {
            Answer::Failed(why) => Err(format!("a worker failed: {why}").into()),
            answer => Ok(answer),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unexpected(answer: &Answer) -> Failure {
    format!("a worker gave an answer to another order: {answer:?}").into()
}

const PATIENCE: Duration = Duration::from_secs(120);
