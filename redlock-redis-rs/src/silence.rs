use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// How much has been said on a connection since something was answered.
///
/// A command that its caller has given up stays with the client library until the server takes it. A
/// socket to another machine ends by itself when nothing is taken for seconds; one of this machine
/// does not, and a server that hangs there would be told more and more.
#[derive(Debug)]
pub(crate) struct Silence {
    /// How long it may last at most, once there is much that was said into it.
    limit: Duration,
    unheard: AtomicUsize,
    /// When that became much.
    since: Mutex<Option<Instant>>,
}

/// Much has been said, and for long there was no answer to any of it.
#[derive(Debug)]
pub(crate) struct Hopeless;

impl Silence {
    /// On a connection where an answer may take this long.
    pub(crate) fn new(patience: Duration) -> Self {
        let limit = SHORTEST.max(patience.saturating_mul(2));
        Self { limit, unheard: AtomicUsize::new(0), since: Mutex::default() }
    }

    /// A command is about to be sent.
    ///
    /// # Errors
    ///
    /// [`Hopeless`] if the connection is to be given up instead.
    pub(crate) fn say(&self) -> Result<(), Hopeless> {
        if self.unheard.fetch_add(1, Ordering::Relaxed) < MUCH {
            return Ok(());
        }
        let now = Instant::now();
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let lasted = now.saturating_duration_since(*since.get_or_insert(now));
        if lasted < self.limit { Ok(()) } else { Err(Hopeless) }
    }

    /// Something has been answered.
    pub(crate) fn broken(&self) {
        if self.unheard.swap(0, Ordering::Relaxed) >= MUCH {
            *self.since.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

/// So many commands without an answer are a burden: some megabytes.
const MUCH: usize = 1 << 14;
/// Whoever says nothing for so long is not just busy.
const SHORTEST: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn say(silence: &Silence, count: usize) -> Result<(), Hopeless> {
        (0..count).try_for_each(|_| silence.say())
    }

    #[tokio::test(start_paused = true)]
    async fn much_that_is_said_into_a_long_silence_is_hopeless() {
        let silence = Silence::new(Duration::from_millis(500));
        assert!(say(&silence, 4 * MUCH).is_ok(), "many callers at once");
        advance(SHORTEST - Duration::from_millis(1)).await;
        assert!(say(&silence, 1).is_ok());
        advance(Duration::from_millis(1)).await;
        assert!(say(&silence, 1).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn neither_little_nor_what_is_answered_now_and_then_is() {
        let silence = Silence::new(SHORTEST);
        assert!(say(&silence, MUCH).is_ok());
        advance(10 * SHORTEST).await;
        assert!(say(&silence, 1).is_ok(), "it has been much for no time yet");
        for _ in 0..3 {
            advance(2 * SHORTEST - Duration::from_millis(1)).await;
            assert!(say(&silence, MUCH + 1).is_ok(), "twice the patience");
            silence.broken();
        }
        assert!(say(&silence, MUCH + 1).is_ok());
        advance(2 * SHORTEST).await;
        assert!(say(&silence, 1).is_err());
    }
}
