use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use redlock_core::{Delivery, FailureKind, Resource};

use crate::{SimRandom, command::Operation};

/// What happens to one call of a [`FaultyNode`](super::FaultyNode).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: it goes through.
    None,
    /// The request takes this much longer to reach the node.
    DelayRequest(Duration),
    /// The reply takes this much longer to come back.
    DelayReply(Duration),
    /// The request is lost and the connection closes: not carried out, though the caller cannot
    /// know.
    LoseRequest,
    /// The request is carried out, and the connection closes before the reply comes.
    LoseReply,
    /// The request is carried out twice, and the first reply is returned.
    Duplicate,
    /// The request is lost, and no answer ever comes.
    Hang,
    /// The request is carried out, and no answer ever comes.
    HangAfter,
    /// The node refuses without a look: another holds it (acquire), nobody does (extend, raise, release),
    /// no permission (inspect, subscribe, notify).
    Refuse,
    /// The call fails like this without reaching the node.
    Fail {
        /// What goes wrong.
        kind: FailureKind,
        /// What the error says about the delivery.
        delivery: Delivery,
    },
}

/// How often each fault is to happen, each from 0 for never to 1 for always.
///
/// Drawn in the order of the fields, at most one for each call.
///
/// ```
/// use redlock_testkit::Chances;
///
/// let rough = Chances { lose_reply: 0.1, delay: 0.5, ..Chances::default() };
/// assert_eq!(rough.hang, 0.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Chances {
    /// [`Fault::LoseRequest`].
    pub lose_request: f64,
    /// [`Fault::LoseReply`].
    pub lose_reply: f64,
    /// [`Fault::Duplicate`].
    pub duplicate: f64,
    /// [`Fault::Hang`] or [`Fault::HangAfter`], equally often.
    pub hang: f64,
    /// [`Fault::Refuse`].
    pub refuse: f64,
    /// [`Fault::DelayRequest`] or [`Fault::DelayReply`], equally often.
    pub delay: f64,
    /// The longest delay; they are evenly spread below it.
    pub longest_delay: Duration,
}

impl Chances {
    /// An endless source of faults.
    pub(super) fn seeded(self, seed: u64) -> impl Fn() -> Fault + Send + 'static {
        let random = SimRandom::new(seed);
        move || self.draw(&random)
    }

    fn draw(&self, random: &SimRandom) -> Fault {
        let either = |first, second| if random.chance(0.5) { first } else { second };
        if random.chance(self.lose_request) {
            Fault::LoseRequest
        } else if random.chance(self.lose_reply) {
            Fault::LoseReply
        } else if random.chance(self.duplicate) {
            Fault::Duplicate
        } else if random.chance(self.hang) {
            either(Fault::Hang, Fault::HangAfter)
        } else if random.chance(self.refuse) {
            Fault::Refuse
        } else if random.chance(self.delay) {
            let by = random.between(Duration::ZERO, self.longest_delay);
            either(Fault::DelayRequest(by), Fault::DelayReply(by))
        } else {
            Fault::None
        }
    }
}

type Rule = Box<dyn FnMut(Operation, &Resource) -> Fault + Send>;

/// Which call meets which fault.
#[derive(Default)]
pub(super) struct Plan {
    scripts: BTreeMap<Operation, VecDeque<Fault>>,
    rule: Option<Rule>,
}

impl Plan {
    pub(super) fn script(&mut self, operation: Operation, faults: impl IntoIterator<Item = Fault>) {
        self.scripts.entry(operation).or_default().extend(faults);
    }

    pub(super) fn set_rule(&mut self, rule: Rule) {
        self.rule = Some(rule);
    }

    pub(super) fn draw(&mut self, operation: Operation, resource: &Resource) -> Fault {
        let scripted = self.scripts.get_mut(&operation);
        scripted.and_then(VecDeque::pop_front).unwrap_or_else(|| match &mut self.rule {
            Some(rule) => rule(operation, resource),
            None => Fault::None,
        })
    }
}
