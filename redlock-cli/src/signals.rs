//! The signals that this process gets.

use std::{
    future::{Future, poll_fn},
    io,
    task::Poll,
};

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that are told, rather than ending or stopping the process.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct Signals(Vec<(i32, Signal)>);

#[cfg(unix)]
impl Signals {
    /// Those that ask a program to end.
    pub(crate) fn ending() -> io::Result<Self> {
        let kinds = [SignalKind::hangup, SignalKind::interrupt, SignalKind::quit];
        let kinds = kinds.into_iter().chain([SignalKind::terminate as fn() -> _]);
        kinds.map(|kind| kind()).map(listened).collect::<io::Result<_>>().map(Self)
    }

    /// The next one, by its number.
    ///
    /// # Cancel safety
    ///
    /// None is lost; several of one kind may be told once.
    pub(crate) async fn next(&mut self) -> i32 {
        poll_fn(|cx| {
            for (number, signal) in &mut self.0 {
                if signal.poll_recv(cx).is_ready() {
                    return Poll::Ready(*number);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// All signals of these numbers as well.
    pub(crate) fn and(mut self, numbers: &[i32]) -> io::Result<Self> {
        for &number in numbers {
            self.0.push(listened(SignalKind::from_raw(number))?);
        }
        Ok(self)
    }
}

#[cfg(unix)]
fn listened(kind: SignalKind) -> io::Result<(i32, Signal)> {
    Ok((kind.as_raw_value(), signal(kind)?))
}

/// Signals that are told, rather than ending the process: Ctrl-C, where there are no others.
#[cfg(not(unix))]
#[derive(Debug)]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn ending() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) async fn next(&mut self) -> i32 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        2
    }
}

/// What comes of this work, or the signal that came first; the work is then dropped.
pub(crate) async fn unless_signalled<T>(
    signals: &mut Signals,
    work: impl Future<Output = T>,
) -> Result<T, i32> {
    tokio::select! {
        biased;
        signal = signals.next() => Err(signal),
        done = work => Ok(done),
    }
}
