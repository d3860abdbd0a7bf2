use std::{
    future::Future,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::channel::oneshot;

use super::{
    aftermath::Fate,
    calls::Claim,
    keeper::{Kept, Place},
    queue::{Turn, Watched},
    record::Record,
    release::{Asked, release_fully},
    settings::Terms,
    shared::Shared,
    signal::{Ended, Signal},
};
use crate::{
    Token, Ttl,
    proto::{
        Ballot, Ending, Late, Loss, LossReason, Moment, NodeSet, Schedule, Tenure, Timing,
        mutant::{self, Mutant},
    },
};

/// What a guard shares with the jobs that were begun for it: the lock as it stands.
pub(super) struct Hold {
    pub(super) shared: Arc<Shared>,
    pub(super) claim: Arc<Claim>,
    /// What nodes were asked for with the lock, and are with each renewal.
    pub(super) ttl: Ttl,
    pub(super) timing: Timing,
    pub(super) node_timeout: Duration,
    pub(super) schedule: Option<Schedule>,
    /// Before that nodes keep the lock even if its holder has released it.
    keep_until: Option<Moment>,
    /// How much before the end of validity a loss is told, because timers are not exact.
    lead: Duration,
    /// Where the keeper has it.
    pub(super) place: Place,
    /// What is told of it.
    pub(super) record: Record,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) tenure: Tenure,
    /// What the nodes were last asked for that made them keep it longer.
    pub(super) ttl: Ttl,
    /// Until when the holder's own extension that may be under way waits for nodes.
    pub(super) extending: Option<Moment>,
    /// When it is to be renewed next.
    pub(super) renew_at: Option<Moment>,
    /// For those who wait for the end.
    signal: Signal,
    /// Whoever is next in this process comes when it has ended.
    turn: Option<Turn>,
}

impl Hold {
    /// A lock that was asked for at `started` and has been granted.
    pub(super) fn begin(
        shared: &Arc<Shared>,
        claim: &Arc<Claim>,
        tenure: Tenure,
        terms: &Terms,
        started: Moment,
        turn: Option<Turn>,
        record: Record,
    ) -> Arc<Self> {
        let Terms { ttl, timing, node_timeout, schedule, mut hold_at_least, .. } = *terms;
        if mutant::is(Mutant::LeastHoldIgnored) {
            hold_at_least = Duration::ZERO;
        }
        let hold = Arc::new(Self {
            shared: Arc::clone(shared),
            claim: Arc::clone(claim),
            ttl,
            timing,
            node_timeout,
            schedule,
            keep_until: (!hold_at_least.is_zero()).then(|| started.after(hold_at_least)),
            lead: lead(timing.validity(ttl)),
            place: Place::default(),
            record,
            state: Mutex::new(State {
                tenure,
                ttl,
                extending: None,
                renew_at: schedule.map(|schedule| schedule.next(started, chance(claim))),
                signal: Signal::default(),
                turn: turn.clone(),
            }),
        });
        if schedule.is_some() || hold.record.is_kept() {
            hold.keep();
        }
        if let Some(turn) = turn {
            let lock: Arc<dyn Watched> = Arc::<Self>::clone(&hold);
            turn.held(Arc::downgrade(&lock));
        }
        hold
    }

    /// Has the clock looked at now and then, and the lock renewed if it is to be.
    pub(super) fn keep(self: &Arc<Self>) {
        let kept: Arc<dyn Kept> = Arc::<Self>::clone(self);
        self.shared.keeper.keep(&kept);
    }

    /// Never held across an await. Each use leaves the state whole, so a panic elsewhere in the
    /// holder of the lock cannot have left it half changed.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call to acquire has returned after the grant.
    pub(super) fn late(&self, node: usize, ballot: Ballot) -> Fate {
        if let Some(counter) = ballot.counter() {
            // It may be larger than the fence, and is the better hint.
            self.shared.fences.seen(self.claim.resources.first(), counter);
        }
        self.shared.look(node, ballot, self.ttl);
        match self.state().tenure.late(node, ballot) {
            Late::Noted => Fate::Forget,
            Late::Release => Fate::Release,
        }
    }

    /// When the loss of the lock is told, if nothing extends it.
    pub(super) fn tell_at(&self) -> Moment {
        let until = self.state().tenure.until();
        if mutant::is(Mutant::LossUntold) {
            return Moment::at(Duration::MAX);
        }
        if mutant::is(Mutant::LossToldLate) {
            return until.after(self.lead * 4);
        }
        until.before(self.lead)
    }

    /// What became of the lock. Looks at the clock: if its time is over, it is declared lost.
    pub(super) fn ending(&self) -> Option<Ending> {
        let now = self.shared.now();
        let loss = self.state().tenure.expire(now, self.lead);
        if let Some(loss) = loss {
            self.bury(loss);
        }
        self.state().tenure.ending()
    }

    /// The lock has been declared lost: tells everybody, and only then lets its keys go, when who
    /// was told has had the grace to stop. Returns why it was lost.
    pub(super) fn bury(&self, loss: Loss) -> LossReason {
        // Whoever is told may wait for the clean-up there and then, so it is under way by then.
        let (tell, told) = oneshot::channel::<()>();
        let turn = self.take_turn();
        if !loss.release.is_empty() {
            let grace = if mutant::is(Mutant::GraceCutShort) {
                Duration::ZERO
            } else {
                self.shared.settings.grace
            };
            let start = self.keep_until.max(Some(self.shared.now().after(grace)));
            let undo = self.release_after(start, loss.release, turn);
            self.shared.reaper.take(async move {
                // An error in any case: nothing is ever sent.
                let _ = told.await;
                undo.await;
            });
        }
        if mutant::is(Mutant::SignalWithheld) {
            self.shared.keeper.forget(&self.place);
        } else {
            self.close(self.state());
        }
        drop(tell);
        loss.reason
    }

    /// Its holder gives the lock up. Returns the nodes to be released; `None` if that has been
    /// done.
    pub(super) fn end(&self, now: Moment) -> Option<NodeSet> {
        let mut state = self.state();
        // Too late to be a release is told as what it is to those who look on.
        let nodes = match state.tenure.expire(now, Duration::ZERO) {
            Some(loss) => Some(loss.release),
            None => state.tenure.end(),
        };
        self.close(state);
        nodes
    }

    /// Whether it has come to its end, as far as anybody has noticed.
    pub(super) fn has_ended(&self) -> bool {
        self.state().tenure.ending().is_some()
    }

    /// Somebody else goes on with the lock.
    pub(super) fn give_away(&self) {
        let mut state = self.state();
        if mutant::is(Mutant::HandoverToldAsLoss) {
            state.tenure.expire(Moment::at(Duration::MAX), Duration::ZERO);
        }
        state.tenure.give_away();
        self.close(state);
        drop(self.take_turn());
    }

    /// Whose turn it is in this process, for whoever has it to go on when the lock has ended.
    pub(super) fn take_turn(&self) -> Option<Turn> {
        self.state().turn.take()
    }

    /// How much longer nodes are to keep the lock although its holder has given it up; `None` if
    /// not at all.
    pub(super) fn kept_until(&self, now: Moment) -> Option<Moment> {
        self.keep_until.filter(|until| *until > now)
    }

    /// Asks these nodes to release, when the shortest hold is over.
    pub(super) fn release_in_background(&self, nodes: NodeSet) {
        let turn = self.take_turn();
        self.shared.reaper.take(self.release_after(self.keep_until, nodes, turn));
    }

    fn release_after(
        &self,
        start: Option<Moment>,
        nodes: NodeSet,
        turn: Option<Turn>,
    ) -> impl Future<Output = ()> + Send + 'static + use<> {
        let forgotten = self.state().tenure.forgotten();
        let (shared, claim) = (Arc::clone(&self.shared), Arc::clone(&self.claim));
        let without = shared.quorum.all().without(nodes);
        let node_timeout = self.node_timeout;
        async move {
            if let Some(start) = start.filter(|start| *start > shared.now()) {
                shared.runtime.sleep_until(start).await;
            }
            let began = shared.now();
            let asked = Asked { nodes, without, began, forgotten, node_timeout, turn };
            release_fully(&shared, claim, asked).await;
        }
    }

    /// The signal of those who wait for the end; `None` if that has come, for then it has been given.
    pub(super) fn subscribe(&self) -> Option<Ended> {
        let mut state = self.state();
        // Under one lock: an end in between would be told to nobody.
        state.tenure.ending().is_none().then(|| state.signal.subscribe())
    }

    /// Nobody keeps it any more, and those who wait for the end are woken: outside of the lock, for
    /// nobody knows what a waker does.
    fn close(&self, mut state: MutexGuard<'_, State>) {
        let signal = mem::take(&mut state.signal);
        let (ending, until) = (state.tenure.ending(), state.tenure.until());
        drop(state);
        self.shared.keeper.forget(&self.place);
        drop(signal);
        self.record.ended(ending, until);
    }
}

impl Watched for Hold {
    fn watch(self: Arc<Self>) {
        self.keep();
    }

    fn uprooted(self: Arc<Self>, tokens: &[Token], gone: NodeSet) {
        if !tokens.contains(&self.claim.token) {
            return;
        }
        let loss = self.state().tenure.uprooted(gone);
        if let Some(loss) = loss {
            let turn = self.take_turn();
            self.bury(loss);
            // Nodes have nothing of it any more that those behind would have to wait for. What is
            // left is released when the grace and the shortest hold are over.
            drop(turn);
        }
    }
}

/// Where in its jitter the first renewal falls: by the token, which is random already, so that the
/// system need not be asked for more. To know it helps nobody to guess the token.
fn chance(claim: &Claim) -> u32 {
    let bits = claim.token.fingerprint().bits();
    // Both halves of a hash are as good as each other.
    u32::try_from(bits >> 32).unwrap_or_default()
}

/// How much before the end of validity a loss is told: timers count in milliseconds, and on a busy
/// machine whoever is woken runs a little later than that.
fn lead(validity: Duration) -> Duration {
    (validity / 64).clamp(LEAST_LEAD, MOST_LEAD).min(validity / 16)
}

const LEAST_LEAD: Duration = Duration::from_millis(2);
const MOST_LEAD: Duration = Duration::from_millis(100);
