use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redlock_core::Resource;
use redlock_wire::PythonLock;
use tokio::{runtime::Handle, time::sleep};

use crate::node::RedisNode;

/// The locks that were given up without a word to anybody, to be looked at in a moment.
///
/// A redlock gives up quietly what an attempt has left behind, and what it hands to the next in
/// its own process. Nodes of this project wait for their holder's time besides; a Python program
/// that has seen the lock held may wait for nothing but the signal. So if nobody has the lock a
/// moment later, it is left after all.
#[derive(Clone, Debug, Default)]
pub(super) struct Reminders(Arc<Mutex<HashSet<Resource>>>);

/// Looks at a lock a moment after it is dropped, unless there is no need to: also if the call that
/// has it is dropped, which leaves unknown what it has done.
pub(super) struct Reminder {
    reminders: Reminders,
    server: RedisNode,
    lock: PythonLock,
    runtime: Option<Handle>,
}

impl Reminders {
    pub(super) fn remind(&self, server: &RedisNode, lock: PythonLock) -> Reminder {
        let (reminders, server) = (self.clone(), server.clone());
        Reminder { reminders, server, lock, runtime: Handle::try_current().ok() }
    }

    /// Notes a lock. Tells whether it was not noted yet: one look is enough for all who ask before.
    fn note(&self, lock: &PythonLock) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(lock.lock().clone())
    }

    fn strike_out(&self, lock: &PythonLock) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(lock.lock());
    }
}

impl Reminder {
    /// Nothing was given up.
    pub(super) fn forget(mut self) {
        self.runtime = None;
    }
}

impl Drop for Reminder {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        if !self.reminders.note(&self.lock) {
            return;
        }
        let noted = Noted { reminders: self.reminders.clone(), lock: self.lock.clone() };
        let server = self.server.clone();
        runtime.spawn(async move {
            sleep(MOMENT).await;
            let lock = noted.lock.clone();
            // Before the look, so that whoever comes during it has one of his own.
            drop(noted);
            leave_signal(&server, &lock).await;
        });
    }
}

/// Struck out when dropped, with the task too, if its runtime ends.
struct Noted {
    reminders: Reminders,
    lock: PythonLock,
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.reminders.strike_out(&self.lock);
    }
}

/// Leaves a signal if the lock is free and there is none.
pub(super) async fn leave_signal(server: &RedisNode, lock: &PythonLock) {
    for _ in 0..TRIES {
        if let Ok(mut line) = server.line().await
            && lock.signal_if_free(&mut line).await.is_ok()
        {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// Within which the next in the same process has taken what is handed to him, unless the server is
/// far away. Then somebody is woken in vain.
const MOMENT: Duration = Duration::from_millis(25);
/// How often a signal is tried to be left, and the time between: an outage that is longer ends the
/// waiting of all anyway.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(200);
