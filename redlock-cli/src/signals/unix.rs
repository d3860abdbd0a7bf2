use std::{future::poll_fn, io, task::Poll};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that are told, rather than ending or stopping the process.
#[derive(Debug)]
pub(crate) struct Signals(Vec<(i32, Signal)>);

impl Signals {
    /// Those that ask a program to end; of a hang-up not, if whoever started this process has it
    /// outlive one, as `nohup` does: it then stays ignored, here and by what is started from here.
    pub(crate) fn ending() -> io::Result<Self> {
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::quit(), SignalKind::terminate()];
        if !ignores(SignalKind::hangup()) {
            kinds.push(SignalKind::hangup());
        }
        kinds.into_iter().map(listened).collect::<io::Result<_>>().map(Self)
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

/// Whether this process ignores a signal, as far as that can be found out.
///
/// The question itself is not one that Rust can ask without `unsafe`, but Linux tells in a file.
fn ignores(kind: SignalKind) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
    is_in(&status, kind.as_raw_value())
}

/// Whether a signal is among those that are ignored, as the status of a process shows them.
fn is_in(status: &str, number: i32) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & (1 << (number - 1)) != 0)
}

fn listened(kind: SignalKind) -> io::Result<(i32, Signal)> {
    Ok((kind.as_raw_value(), signal(kind)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read_from_a_mask() {
        let status = "Name:\tx\nSigBlk:\tffff\nSigIgn:\t0000000000001001\nSigCgt:\tffff\n";
        assert!(is_in(status, 1) && is_in(status, 13));
        assert!(!is_in(status, 2) && !is_in(status, 15));
        for odd in ["", "SigIgn:\n", "SigIgn:\tx\n"] {
            assert!(!is_in(odd, 1));
        }
    }
}
