use std::{sync::Arc, time::Duration};

use super::{
    aftermath::{Aftermath, Fate},
    calls::{Answer, Ask, Calls, Event, ask},
    error::Error,
    hold::Hold,
    report::{Action, Report},
};
use crate::{
    NodeError, Ttl,
    proto::{Ending, Extension, ExtensionStep, Healing, NodeSet, Tally},
};

/// Extends a held lock by one round over the nodes.
pub(super) async fn extend(
    hold: &Arc<Hold>,
    ttl: Ttl,
    node_timeout: Duration,
) -> Result<(), Error> {
    let Hold { shared, claim, timing, .. } = &**hold;
    let resources = &claim.resources;
    let started = shared.now();
    let old_end = hold.state().tenure.until();
    let begun = hold.state().tenure.extend(ttl, started);
    let mut extension = match begun {
        Ok(extension) => extension,
        Err(loss) => return Err(Error::lost(resources, hold.bury(loss), None)),
    };
    // What comes after the old end is worthless, and the loss is to be told by then.
    let deadline = started.after(node_timeout).min(hold.tell_at().max(started));
    let asked = Ask::Extend(timing.lifetime(ttl));
    let calls = ask(shared, extension.asked(), claim, asked, deadline);
    let mut calls = Finish {
        hold: Arc::clone(hold),
        calls: Some(calls),
        outstanding: extension.asked(),
        returned: Tally::new(shared.quorum),
        errors: Vec::new(),
        carried: None,
    };
    loop {
        let event = match &mut calls.calls {
            Some(calls) => calls.next().await,
            None => Event::Over,
        };
        // Read after the answer is in hand: only a quorum that is complete before the old end
        // continues the lock (R30).
        let now = shared.now();
        let step = match event {
            Event::Answered(answer) => {
                let (node, ballot) = (answer.node, answer.ballot());
                calls.note(answer);
                hold.state().tenure.extension_answered(&mut extension, node, ballot, now)
            }
            Event::Over => hold.state().tenure.extension_timed_out(&mut extension, now),
        };
        if step != ExtensionStep::Open {
            calls.drain();
        }
        let report = |tally: &Tally| {
            let patience = deadline.since(started);
            let (tally, errors) = (tally.clone(), calls.errors.clone());
            Report::new(shared, Action::Extend, resources, tally, errors, patience)
        };
        match step {
            ExtensionStep::Open => {}
            ExtensionStep::Extended(until) => {
                // Nodes do not shorten: what they were asked before still counts if it lasts longer.
                if until > old_end {
                    hold.state().ttl = ttl;
                }
                hold.record.extended(&extension, || hold.state().extending, old_end, until);
                heal(hold, &extension, calls.returned.gone());
                calls.carried = Some(extension);
                return Ok(());
            }
            // Whatever the minority said that answered: with more answers it would have been
            // extended or lost.
            ExtensionStep::Unchanged(_) => {
                let lost = hold.state().tenure.extension_returned(&calls.returned);
                if let Some(loss) = lost {
                    hold.bury(loss);
                }
                return Err(match hold.ending() {
                    Some(Ending::Lost(reason)) => {
                        Error::lost(resources, reason, Some(report(&calls.returned)))
                    }
                    _ => {
                        hold.record.not_extended(&extension, || hold.state().extending, old_end);
                        Error::Unavailable(Box::new(report(extension.tally())))
                    }
                });
            }
            ExtensionStep::Lost(loss) => {
                return Err(Error::lost(
                    resources,
                    hold.bury(loss),
                    Some(report(extension.tally())),
                ));
            }
            // A later extension has taken its place, or the lock has ended meanwhile.
            ExtensionStep::Ignored => {
                let report = report(extension.tally());
                return Err(match hold.ending() {
                    Some(Ending::Lost(reason)) => Error::lost(resources, reason, Some(report)),
                    _ => Error::Unavailable(Box::new(report)),
                });
            }
        }
    }
}

/// Has these nodes set the key again, in the background.
fn heal(hold: &Arc<Hold>, extension: &Extension, gone: NodeSet) {
    let shared = &hold.shared;
    let now = shared.now();
    let Some(Healing { nodes, lifetime }) = hold.state().tenure.heal(extension, gone, now) else {
        return;
    };
    let give_up = hold.state().tenure.forgotten();
    let asked = match hold.state().tenure.fence() {
        // Whoever comes next at these nodes must have a larger one.
        Some(fence) => Ask::AcquireCounted(lifetime, fence.before()),
        None => Ask::Acquire(lifetime),
    };
    let calls = ask(shared, nodes, &hold.claim, asked, give_up);
    let aftermath = Aftermath {
        release: Ask::Release,
        shared: Arc::clone(shared),
        claim: Arc::clone(&hold.claim),
        calls: calls.into_unfinished(),
        outstanding: nodes,
        give_up,
        lifetime: hold.timing.kept(lifetime),
    };
    let hold = Arc::clone(hold);
    shared.reaper.take(aftermath.settle(move |node, ballot| {
        let fate = hold.late(node, ballot);
        hold.record.healed(node, ballot, fate)
    }));
}

/// Calls that are finished even if nobody waits for them: a node whose command was never sent would
/// forget the lock before the others.
struct Finish {
    hold: Arc<Hold>,
    calls: Option<Calls>,
    /// The nodes of the calls that have not returned.
    outstanding: NodeSet,
    /// What the others said, also when it came too late for the extension.
    returned: Tally,
    errors: Vec<(usize, NodeError)>,
    /// The extension, if it has been carried: then nodes that lost the key are to have it again.
    carried: Option<Extension>,
}

impl Finish {
    fn note(&mut self, answer: Answer) {
        self.outstanding.remove(answer.node);
        self.returned.enter(answer.node, answer.ballot());
        self.errors.extend(answer.result.err().map(|error| (answer.node, error)));
    }

    /// Takes in the answers that are there already.
    fn drain(&mut self) {
        while let Some(answer) = self.calls.as_mut().and_then(Calls::ready) {
            self.hold.state().tenure.extension_late(answer.node, answer.ballot());
            self.note(answer);
        }
    }
}

impl Drop for Finish {
    /// Polls nothing: the runtime may have ended, and its timers panic then.
    fn drop(&mut self) {
        let Some(calls) = self.calls.take().map(Calls::into_unfinished) else {
            return;
        };
        if calls.is_empty() {
            return;
        }
        let (shared, hold) = (Arc::clone(&self.hold.shared), Arc::clone(&self.hold));
        let aftermath = Aftermath {
            release: Ask::Release,
            shared: Arc::clone(&shared),
            claim: Arc::clone(&hold.claim),
            calls,
            outstanding: self.outstanding,
            give_up: hold.state().tenure.forgotten(),
            lifetime: Duration::ZERO,
        };
        let (mut returned, carried) = (self.returned.clone(), self.carried.take());
        shared.reaper.take(aftermath.settle(move |node, ballot| {
            let gone = returned.gone();
            returned.enter(node, ballot);
            let lost = {
                let tenure = &mut hold.state().tenure;
                tenure.extension_late(node, ballot);
                tenure.extension_returned(&returned)
            };
            if let Some(loss) = lost {
                hold.bury(loss);
            } else if let Some(extension) = &carried {
                heal(&hold, extension, returned.gone().without(gone));
            }
            Fate::Forget
        }));
    }
}
