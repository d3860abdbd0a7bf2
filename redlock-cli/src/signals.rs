//! The signals that this process gets.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use self::unix::Signals;
#[cfg(windows)]
pub(crate) use self::windows::Signals;

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
