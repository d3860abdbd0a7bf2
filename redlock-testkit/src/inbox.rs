//! Where the notices of one subscription wait until they are read.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use futures::Stream;
use redlock_core::Notice;

/// Somebody who is told. Never called under a lock of the node.
pub(crate) trait Listener: Send + Sync {
    /// There is a notice.
    fn tell(&self, notice: Notice);

    /// There will be none any more.
    fn end(&self);
}

/// A listener as a node knows him: he may have gone.
///
/// Equal are those who are one and the same.
#[derive(Clone)]
pub(crate) struct Subscriber(Weak<dyn Listener>);

impl Subscriber {
    pub(crate) fn new(listener: &Arc<dyn Listener>) -> Self {
        Self(Arc::downgrade(listener))
    }

    pub(crate) fn listener(&self) -> Option<Arc<dyn Listener>> {
        self.0.upgrade()
    }

    /// Whether he is still there.
    pub(crate) fn listens(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl PartialEq for Subscriber {
    fn eq(&self, other: &Self) -> bool {
        Weak::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Subscriber {}

impl fmt::Debug for Subscriber {
    /// Without an address, so that logs of equal runs are equal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscriber")
    }
}

/// A stream of notices. It remembers the newest few, and its end.
pub(crate) struct Inbox {
    mailbox: Arc<Mailbox>,
    listener: Arc<dyn Listener>,
    leave: Option<Leave>,
}

type Leave = Box<dyn FnOnce(&Subscriber) + Send>;

impl Inbox {
    /// The notices that come into this mailbox. `listener` puts them there, and lives for as long
    /// as the inbox does; `leave` ends the subscription when that is dropped.
    pub(crate) fn new(
        mailbox: Arc<Mailbox>,
        listener: Arc<dyn Listener>,
        leave: impl FnOnce(&Subscriber) + Send + 'static,
    ) -> Self {
        Self { mailbox, listener, leave: Some(Box::new(leave)) }
    }

    pub(crate) fn subscriber(&self) -> Subscriber {
        Subscriber::new(&self.listener)
    }
}

impl Stream for Inbox {
    type Item = Notice;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        self.mailbox.take(cx.waker())
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        if let Some(leave) = self.leave.take() {
            leave(&self.subscriber());
        }
    }
}

/// Where notices are put for an [`Inbox`].
#[derive(Debug, Default)]
pub(crate) struct Mailbox(Mutex<Letters>);

#[derive(Debug, Default)]
struct Letters {
    waiting: VecDeque<Notice>,
    ended: bool,
    reader: Option<Waker>,
}

impl Mailbox {
    fn take(&self, waker: &Waker) -> Poll<Option<Notice>> {
        let mut letters = self.letters();
        if let Some(notice) = letters.waiting.pop_front() {
            return Poll::Ready(Some(notice));
        }
        if letters.ended {
            return Poll::Ready(None);
        }
        let former = letters.reader.replace(waker.clone());
        drop(letters);
        // The last handle to a task may go with it, and with the task whatever that has.
        drop(former);
        Poll::Pending
    }

    /// Changes something, and wakes the reader.
    fn change(&self, change: impl FnOnce(&mut Letters)) {
        let mut letters = self.letters();
        change(&mut letters);
        let reader = letters.reader.take();
        drop(letters);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn letters(&self) -> MutexGuard<'_, Letters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Mailbox {
    fn tell(&self, notice: Notice) {
        self.change(|letters| {
            if !letters.ended {
                // Of those who had the resource the latest matters.
                if letters.waiting.len() == ROOM {
                    letters.waiting.pop_front();
                }
                letters.waiting.push_back(notice);
            }
        });
    }

    fn end(&self) {
        self.change(|letters| letters.ended = true);
    }
}

/// How many notices wait for a reader who falls behind.
const ROOM: usize = 8;

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        task::Wake,
    };

    use futures::{FutureExt, StreamExt};

    use super::*;

    fn notice(listeners: u32) -> Notice {
        Notice { holder: None, listeners }
    }

    fn inbox(mailbox: &Arc<Mailbox>) -> Inbox {
        Inbox::new(Arc::clone(mailbox), Arc::<Mailbox>::clone(mailbox), |_| {})
    }

    #[test]
    fn a_reader_who_falls_behind_finds_the_newest_few() {
        let mailbox = Arc::default();
        let inbox = inbox(&mailbox);
        (1..=1_000).for_each(|number| mailbox.tell(notice(number)));
        mailbox.end();
        mailbox.tell(notice(1_001));
        let found: Vec<_> = inbox.collect().now_or_never().unwrap();
        assert_eq!(found, (993..=1_000).map(notice).collect::<Vec<_>>());
    }

    /// Looks into the mailbox when it is woken, which would block under its lock.
    struct Looks(Arc<Mailbox>, AtomicUsize);

    impl Wake for Looks {
        fn wake(self: Arc<Self>) {
            assert!(self.0.0.try_lock().is_ok(), "woken under the lock");
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_reader_who_waits_is_woken_by_a_notice_and_by_the_end_but_under_no_lock() {
        let mailbox: Arc<Mailbox> = Arc::default();
        let mut inbox = inbox(&mailbox);
        let looks = Arc::new(Looks(Arc::clone(&mailbox), AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&looks));
        let mut poll = || inbox.poll_next_unpin(&mut Context::from_waker(&waker));
        assert!(poll().is_pending());
        mailbox.tell(notice(1));
        assert_eq!(looks.1.load(Ordering::Relaxed), 1);
        assert_eq!(poll(), Poll::Ready(Some(notice(1))));
        assert!(poll().is_pending());
        mailbox.end();
        assert_eq!(looks.1.load(Ordering::Relaxed), 2);
        assert_eq!(poll(), Poll::Ready(None));
    }

    #[test]
    fn a_subscriber_is_known_by_his_inbox_and_gone_with_it() {
        let (one, other) = (inbox(&Arc::default()), inbox(&Arc::default()));
        let subscriber = one.subscriber();
        assert_eq!(subscriber, one.subscriber());
        assert_ne!(subscriber, other.subscriber());
        assert!(subscriber.listens());
        drop(one);
        assert!(!subscriber.listens());
    }
}
