use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    mem,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered, task::AtomicWaker,
};

use crate::{
    NoRuntime, Runtime,
    proto::{
        Moment,
        mutant::{self, Mutant},
    },
};

/// The one task of a `Redlock` that keeps its locks: renews them, and declares lost what could not
/// be renewed. With one timer, however many locks there are.
///
/// A lock that is taken and released within its renewal interval costs it an entry in a map and
/// no wake-up. It works only while its runtime does; on another one it starts again with the next
/// acquire.
pub(super) struct Keeper {
    runtime: Arc<dyn Runtime>,
    agenda: Arc<Agenda>,
}

/// A held lock, as its keeper sees it.
pub(super) trait Kept: Send + Sync {
    /// Where the agenda has it.
    fn place(&self) -> &Place;

    /// When something is to be done about it.
    fn due(&self) -> Moment;

    /// When its loss is told, if nothing is done.
    fn tell_at(&self) -> Moment;

    /// What is to be done. Looks at the clock: a lock whose time is over is declared lost.
    fn look(&self) -> Task;

    /// Renews it, or finds out that it is lost, before that is to be told.
    fn renew(self: Arc<Self>) -> BoxFuture<'static, ()>;
}

/// What is to be done about a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Nothing, any more: it has ended.
    Forget,
    /// Nothing yet.
    Wait,
    Renew,
}

/// Where the agenda has a lock.
#[derive(Debug, Default)]
pub(super) struct Place(Mutex<Whereabouts>);

#[derive(Clone, Copy, Debug, Default)]
enum Whereabouts {
    #[default]
    Nowhere,
    /// When something is to be done, and a number.
    At(Entry),
    /// Nowhere, for good.
    Gone,
}

type Entry = (Moment, u64);

#[derive(Default)]
struct Agenda {
    state: Mutex<State>,
    task: AtomicWaker,
}

#[derive(Default)]
struct State {
    locks: BTreeMap<Entry, Weak<dyn Kept>>,
    numbered: u64,
    /// Whether there is a task, and when it wakes by itself.
    running: bool,
    wakes_at: Option<Moment>,
    /// Nobody can put anything on the agenda any more.
    closed: bool,
}

impl Keeper {
    pub(super) fn new(runtime: Arc<dyn Runtime>) -> Self {
        Self { runtime, agenda: Arc::default() }
    }

    /// Sees to it that the task runs. To be called where there is a runtime.
    pub(super) fn start(&self) -> Result<(), NoRuntime> {
        let mut state = self.agenda.state();
        if state.running {
            return Ok(());
        }
        state.running = true;
        state.wakes_at = None;
        drop(state);
        let rounds = Rounds {
            is_new: true,
            runtime: Arc::clone(&self.runtime),
            agenda: Arc::clone(&self.agenda),
            tending: FuturesUnordered::new(),
            waiting: BTreeMap::new(),
            numbered: 0,
            timer: None,
        };
        self.runtime.spawn(Box::pin(rounds))?;
        // A runtime that is shutting down takes a task and drops it at once.
        if self.agenda.state().running { Ok(()) } else { Err(NoRuntime) }
    }

    /// Puts a lock on the agenda, unless it is there already or has ended.
    pub(super) fn keep(&self, hold: &Arc<dyn Kept>) {
        // Without a runtime it is lost when its validity ends, and each who looks sees that.
        if self.start().is_ok() {
            self.agenda.put(hold);
        }
    }

    /// Takes a lock off the agenda, for good.
    pub(super) fn forget(&self, place: &Place) {
        let before = mem::replace(&mut *place.get(), Whereabouts::Gone);
        self.agenda.strike_out(before);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.agenda.state().closed = true;
        self.agenda.task.wake();
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("locks", &self.agenda.state().locks.len()).finish()
    }
}

impl Place {
    /// No invariant spans a panic here.
    fn get(&self) -> MutexGuard<'_, Whereabouts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agenda {
    /// No invariant spans a panic here: each use is a few statements that cannot panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, hold: &Arc<dyn Kept>) {
        self.put_at(hold, hold.due());
    }

    fn put_at(&self, hold: &Arc<dyn Kept>, due: Moment) {
        // The place before the agenda, here and nowhere the other way round.
        let mut place = hold.place().get();
        if !matches!(*place, Whereabouts::Nowhere) {
            return;
        }
        let mut state = self.state();
        let entry = (due, state.numbered);
        state.numbered += 1;
        state.locks.insert(entry, Arc::downgrade(hold));
        let earlier = state.wakes_at.is_none_or(|wakes_at| due < wakes_at);
        drop(state);
        *place = Whereabouts::At(entry);
        drop(place);
        if earlier {
            self.task.wake();
        }
    }

    /// Takes a lock off for as long as it has no other place.
    fn take(&self, place: &Place) {
        let before = {
            let mut place = place.get();
            match *place {
                Whereabouts::At(_) => mem::take(&mut *place),
                nowhere => nowhere,
            }
        };
        self.strike_out(before);
    }

    fn strike_out(&self, before: Whereabouts) {
        if let Whereabouts::At(entry) = before {
            let struck_out = self.state().locks.remove(&entry);
            drop(struck_out);
        }
    }

    /// Takes the locks off about which something is due.
    fn take_due(&self, now: Moment) -> Vec<Arc<dyn Kept>> {
        let due: Vec<_> = {
            let mut state = self.state();
            let later = state.locks.split_off(&(now.after(NANOSECOND), 0));
            mem::replace(&mut state.locks, later).into_values().collect()
        };
        let due: Vec<_> = due.iter().filter_map(Weak::upgrade).collect();
        for hold in &due {
            // Its entry is struck out already.
            self.take(hold.place());
        }
        due
    }

    /// When to look at the agenda again, which a timer is set for already: when something is due,
    /// and before long in any case. The clock counts the time in which the machine is suspended,
    /// timers do not. Never, if there is nothing on it.
    fn next_look(&self, now: Moment, set_for: Option<Moment>) -> Option<Moment> {
        let mut state = self.state();
        let due = state.locks.first_key_value().map(|((due, _), _)| *due);
        let next = if mutant::is(Mutant::TimersTrusted) {
            due
        } else {
            due.map(|due| due.min(now.after(HEARTBEAT)))
        };
        // To wake too early costs less than to set a timer each time.
        state.wakes_at = next.map(|next| set_for.map_or(next, |set_for| set_for.min(next)));
        state.wakes_at
    }
}

/// The work of the task.
struct Rounds {
    /// It has not looked at the agenda yet, which another may have left when its runtime ended.
    is_new: bool,
    runtime: Arc<dyn Runtime>,
    agenda: Arc<Agenda>,
    /// Renewals under way.
    tending: FuturesUnordered<BoxFuture<'static, ()>>,
    /// Locks to be renewed when there are fewer: first those that would be lost first.
    waiting: BTreeMap<Entry, Weak<dyn Kept>>,
    numbered: u64,
    timer: Option<(Moment, BoxFuture<'static, ()>)>,
}

impl Rounds {
    /// Takes over from a task before: the renewals that were under way have ended with it, and
    /// their locks would not be looked at before their loss is to be told.
    fn take_over(&self) {
        for hold in self.agenda.take_due(Moment::at(Duration::MAX)) {
            self.agenda.put(&hold);
        }
    }

    /// Does what can be done now.
    fn work(&mut self, now: Moment) {
        for hold in self.agenda.take_due(now) {
            match hold.look() {
                Task::Forget => {}
                Task::Wait => self.agenda.put(&hold),
                Task::Renew => {
                    let tell_at = hold.tell_at();
                    self.waiting.insert((tell_at, self.numbered), Arc::downgrade(&hold));
                    self.numbered += 1;
                    // If its turn does not come before, its loss is told on time.
                    self.agenda.put_at(&hold, tell_at);
                }
            }
        }
        while self.tending.len() < AT_ONCE {
            let Some((_, hold)) = self.waiting.pop_first() else { break };
            if let Some(hold) = hold.upgrade() {
                let agenda = Arc::clone(&self.agenda);
                self.tending.push(Box::pin(async move {
                    // A runtime or a source of chance that panics must not end the renewal of all.
                    let renewed = AssertUnwindSafe(Arc::clone(&hold).renew());
                    let _ = renewed.catch_unwind().await;
                    agenda.take(hold.place());
                    agenda.put(&hold);
                }));
            }
        }
    }
}

impl Future for Rounds {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.agenda.task.register(cx.waker());
        if mem::take(&mut self.is_new) {
            self.take_over();
        }
        for _ in 0..AT_ONE_POLL {
            if self.agenda.state().closed && self.tending.is_empty() {
                return Poll::Ready(());
            }
            while let Poll::Ready(Some(())) = self.tending.poll_next_unpin(cx) {}
            let now = self.runtime.now();
            self.work(now);
            // What has just begun wants to be polled once.
            if let Poll::Ready(Some(())) = self.tending.poll_next_unpin(cx) {
                continue;
            }
            let set_for = self.timer.as_ref().map(|(at, _)| *at);
            match self.agenda.next_look(now, set_for) {
                None => {
                    self.timer = None;
                    return Poll::Pending;
                }
                next if next == set_for => {}
                Some(next) => self.timer = Some((next, self.runtime.sleep_until(next))),
            }
            let Some((_, timer)) = &mut self.timer else { return Poll::Pending };
            if timer.poll_unpin(cx).is_pending() {
                return Poll::Pending;
            }
            self.timer = None;
        }
        // There is always something due, and nodes answer at once: others want to run as well.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        let mut state = self.agenda.state();
        state.running = false;
        state.wakes_at = None;
    }
}

/// How many renewals are under way at once: enough for nodes that take their time, and no storm
/// when thousands of locks are due.
const AT_ONCE: usize = 128;
/// How many rounds are made before others on the thread have their turn.
const AT_ONE_POLL: usize = 16;
const HEARTBEAT: Duration = Duration::from_secs(1);
const NANOSECOND: Duration = Duration::from_nanos(1);
