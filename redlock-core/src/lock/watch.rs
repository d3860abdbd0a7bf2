use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    ClockStep, FailureKind, LockNode, NodeError, StepDirection, Ttl, Vote, Warning,
    observe::Onlookers,
    proto::{Ballot, Moment, Skips, Timing},
};

/// An eye on what nodes know of their stores: tells whoever runs them, and keeps votes from being
/// counted that are not to be relied on.
pub(super) struct Watch {
    onlookers: Onlookers,
    /// What was seen of each node.
    seen: Vec<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The number of the last step of its clock that was heard of.
    heard: AtomicU64,
    /// Whether its clock was ever set forward.
    skipped: AtomicBool,
    more: Mutex<More>,
}

#[derive(Default)]
struct More {
    /// It was said that it forgets.
    forgets: bool,
    skips: Skips,
}

impl Watch {
    pub(super) fn new(nodes: usize, onlookers: Onlookers) -> Self {
        let seen = std::iter::repeat_with(Seen::default).take(nodes).collect();
        Self { onlookers, seen }
    }

    /// This node has answered who took a lock of this ttl. What is new of it is told.
    ///
    /// `now` is asked only when its clock was set, which is hardly ever, and then after the answer.
    pub(super) fn look(
        &self,
        place: usize,
        node: &dyn LockNode,
        ballot: Ballot,
        ttl: Ttl,
        now: impl Fn() -> Moment,
    ) {
        let (Some(seen), Some(witness)) = (self.seen.get(place), node.witness()) else { return };
        for step in witness.clock_steps(seen.heard.load(Ordering::Acquire)) {
            if seen.hear(step, now()) {
                let label = Arc::from(node.label());
                let warning = Warning::ClockStepped { label, step };
                self.onlookers.tell(|observer| observer.warned(&warning));
            }
        }
        // Only to be told of, unlike the steps: and so not looked up for nobody.
        let is_told = self.onlookers.are_there();
        if !is_told || !matches!(ballot, Ballot::Cast(Vote::Granted { .. })) {
            return;
        }
        if let Some(remembers) = witness.remembers().filter(|remembers| *remembers < ttl.get()) {
            let said = std::mem::replace(&mut seen.more().forgets, true);
            if !said {
                let (label, ttl) = (Arc::from(node.label()), ttl.get());
                let warning = Warning::Forgetful { label, remembers, ttl };
                self.onlookers.tell(|observer| observer.warned(&warning));
            }
        }
    }

    /// Why a grant of this node is none to count: it may have forgotten locks, because its clock was
    /// set forward. The node has it nonetheless, and is to release it.
    pub(super) fn doubt(
        &self,
        place: usize,
        label: &Arc<str>,
        timing: Timing,
        ttl: Ttl,
        now: Moment,
    ) -> Option<NodeError> {
        let remaining = self.seen.get(place)?.doubt(timing, ttl, now)?;
        let error = NodeError::new(Arc::clone(label), FailureKind::Other);
        Some(error.with_source(Skipped { remaining }))
    }
}

impl Seen {
    /// Takes a step in, unless somebody else who has heard of it at the same time did.
    fn hear(&self, step: ClockStep, now: Moment) -> bool {
        let mut more = self.more();
        if step.number() <= self.heard.load(Ordering::Relaxed) {
            return false;
        }
        if step.direction() == StepDirection::Forward {
            more.skips.note(step.at_most(), now);
            self.skipped.store(true, Ordering::Relaxed);
        }
        // Last: whoever finds that it has been heard of finds the rest as well.
        self.heard.store(step.number(), Ordering::Release);
        true
    }

    /// For how much longer the node is not to be counted.
    fn doubt(&self, timing: Timing, ttl: Ttl, now: Moment) -> Option<Duration> {
        if !self.skipped.load(Ordering::Relaxed) {
            return None;
        }
        self.more().skips.doubt(timing, ttl, now)
    }

    fn more(&self) -> MutexGuard<'_, More> {
        self.more.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// Why a grant does not count.
#[derive(Debug, thiserror::Error)]
#[error(
    "its clock was set forward, so it may have forgotten locks, and is not counted for another \
     {remaining:?}"
)]
struct Skipped {
    remaining: Duration,
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use async_trait::async_trait;

    use super::*;
    use crate::{
        Accord, Fencing, Identity, Inspection, Notifications, Observer, Resource, Sets, Survey,
        Token, Witness,
    };

    /// Counts how often it is asked how far back it remembers, which is an hour.
    #[derive(Debug, Default)]
    struct Asked(AtomicUsize);

    impl Witness for Asked {
        fn remembers(&self) -> Option<Duration> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Some(Duration::from_secs(3600))
        }

        fn clock_steps(&self, _: u64) -> Vec<ClockStep> {
            Vec::new()
        }
    }

    #[async_trait]
    impl LockNode for Asked {
        fn label(&self) -> &str {
            "a"
        }

        fn identity(&self) -> Option<Identity> {
            None
        }

        fn notifications(&self) -> Option<&dyn Notifications> {
            None
        }

        fn fencing(&self) -> Option<&dyn Fencing> {
            None
        }

        fn sets(&self) -> Option<&dyn Sets> {
            None
        }

        fn survey(&self) -> Option<&dyn Survey> {
            None
        }

        fn witness(&self) -> Option<&dyn Witness> {
            Some(self)
        }

        fn accord(&self) -> Option<&dyn Accord> {
            None
        }

        async fn acquire(&self, _: &Resource, _: &Token, _: Ttl) -> Result<Vote, NodeError> {
            Ok(Vote::granted())
        }

        async fn extend(&self, _: &Resource, _: &Token, _: Ttl) -> Result<Vote, NodeError> {
            Ok(Vote::granted())
        }

        async fn release(&self, _: &Resource, _: &Token) -> Result<Vote, NodeError> {
            Ok(Vote::granted())
        }

        async fn inspect(&self, _: &Resource) -> Result<Inspection, NodeError> {
            Ok(Inspection::Free)
        }
    }

    #[derive(Debug)]
    struct Blind;

    impl Observer for Blind {}

    /// An adapter reads its clock for that, under a lock, at each grant.
    #[test]
    fn what_a_node_remembers_is_asked_only_where_somebody_is_told() {
        let ttl = Ttl::new(Duration::from_secs(1)).unwrap();
        for (onlookers, expected) in
            [(Onlookers::default(), 0), (Onlookers::new(vec![Arc::new(Blind)]), 1)]
        {
            let (watch, node) = (Watch::new(1, onlookers), Asked::default());
            let granted = Ballot::Cast(Vote::granted());
            watch.look(0, &node, granted, ttl, || Moment::ORIGIN);
            assert_eq!(node.0.load(Ordering::Relaxed), expected);
        }
    }
}
