use std::{thread, time::Duration};

/// Holds a lock for this long.
///
/// On a thread of its own: tokio's timers count whole milliseconds and make two of one, and a
/// busy loop would take one of the cores from those who wait.
pub(crate) async fn hold(length: Duration) {
    if !length.is_zero() {
        // Fails only if the sleep panics, or the runtime ends and this with it.
        let _ = tokio::task::spawn_blocking(move || thread::sleep(length)).await;
    }
}
