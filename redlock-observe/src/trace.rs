use std::{
    borrow::Cow,
    collections::HashMap,
    fmt, mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use redlock_core::{
    Acquired, Adopted, Attempted, Contended, Extended, Fingerprint, Freed, GaveUp, GaveUpReason,
    HandedOn, Healed, Lost, NodeFailed, NotExtended, Observer, Released, Resource, ResourceSet,
    Waited, Waiting, Warning, proto::Tally,
};
use tracing::{Span, debug, debug_span, info, trace, warn};

use crate::{names, seldom::Seldom};

/// Tells `tracing` what happens, under the target `redlocks`.
///
/// A lock that is held is a span, `held`, from the grant to its end, and what happens to it in
/// between are events in that span. Everything else are events where it happens: in the span of
/// whoever asks for the lock, if that is there.
///
/// | level | what |
/// |---|---|
/// | warn | a loss; a node that fails; an extension that fails; a lock that could not be had, but for somebody else who has it; a warning |
/// | info | a node that was healed |
/// | debug | acquired, adopted, released, handed on, extended, gave up, waits; the span |
/// | trace | each attempt, each contention, what became of each release |
///
/// A node that is down fails every call. So of each node and kind of failure, and of each reason for
/// which locks cannot be had, one in ten seconds is a warning and the others are debug; so are further
/// failures to extend a lock until it has been extended.
///
/// Resources are shown as they are, those of a set one by one: the first few, and how many there are
/// besides. Tokens are shown as the fingerprint of 16 hexadecimal digits with which
/// nothing can be released. Other values come from enums and clocks.
#[derive(Debug, Default)]
pub struct TracingObserver {
    held: Mutex<HashMap<Fingerprint, Held>>,
    seldom: Seldom,
}

#[derive(Clone, Debug)]
struct Held {
    span: Span,
    extensions: Extensions,
}

/// How the last of them went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extensions {
    Work,
    Fail,
}

impl TracingObserver {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No invariant spans a panic here. No span is made, entered or dropped while it is locked, which
    /// would run the code of a subscriber.
    fn held(&self) -> MutexGuard<'_, HashMap<Fingerprint, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, resources: &ResourceSet, token: Fingerprint) -> Span {
        let (name, mark) = (name_of(resources), Mark(token));
        let span = debug_span!(target: "redlocks", "held", resource = &*name, token = %mark);
        let held = Held { span: span.clone(), extensions: Extensions::Work };
        let before = self.held().insert(token, held);
        drop(before);
        span
    }

    /// The span of this lock; one that changes nothing if there is none.
    fn span(&self, token: Fingerprint) -> Span {
        let held = self.held().get(&token).cloned();
        held.map_or_else(Span::none, |held| held.span)
    }

    fn end(&self, token: Fingerprint) -> Span {
        let held = self.held().remove(&token);
        held.map_or_else(Span::none, |held| held.span)
    }

    /// An extension went like this. Tells how the one before went.
    fn extension(&self, token: Fingerprint, went: Extensions) -> Extensions {
        let mut held = self.held();
        held.get_mut(&token)
            .map_or(Extensions::Work, |held| mem::replace(&mut held.extensions, went))
    }
}

/// What is locked, as it is shown: a single resource as it is, those of a set in a list that does
/// not grow without bounds.
fn name_of(resources: &ResourceSet) -> Cow<'_, str> {
    if let Some(only) = resources.only() {
        return Cow::Borrowed(only.as_str());
    }
    let shown: Vec<&str> = resources.iter().take(MOST_SHOWN).map(Resource::as_str).collect();
    Cow::Owned(match resources.len().saturating_sub(MOST_SHOWN) {
        0 => format!("{shown:?}"),
        more => format!("{shown:?} and {more} more"),
    })
}

/// A fingerprint, as it is shown.
struct Mark(Fingerprint);

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0.bits())
    }
}

/// How many nodes said what.
struct Count {
    nodes: usize,
    granted: usize,
    refused: usize,
    failed: usize,
}

impl Count {
    fn of(tally: &Tally) -> Self {
        let nodes = tally.quorum().nodes();
        let (granted, refused) = (tally.granted().len(), tally.refused().len());
        Self { nodes, granted, refused, failed: tally.failed().len() }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, granted, refused, failed } = self;
        write!(f, "{granted} of {nodes} granted, {refused} refused, {failed} failed")
    }
}

/// A time that may not be known.
struct Known(Option<Duration>);

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => write!(f, "{time:?}"),
            None => f.write_str("unknown"),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl Observer for TracingObserver {
    fn warned(&self, warning: &Warning) {
        warn!(target: "redlocks", "{warning}");
    }

    fn attempted(&self, event: &Attempted<'_>) {
        let Attempted { resources, number, outcome, took, .. } = *event;
        let (name, outcome) = (name_of(resources), outcome.name());
        let resource = &*name;
        let (token, tally) = (Mark(event.token), Count::of(event.tally));
        trace!(target: "redlocks", resource, %token, number, outcome, %tally, ?took, "attempt");
    }

    fn contended(&self, event: &Contended<'_>) {
        let (name, number) = (name_of(event.resources), event.number);
        let resource = &*name;
        let (holder, remaining) = (event.holder.map(Mark), Known(event.remaining));
        let holder = holder.as_ref().map(tracing::field::display);
        trace!(target: "redlocks", resource, number, holder, %remaining, "contended");
    }

    fn waiting(&self, event: &Waiting<'_>) {
        debug!(target: "redlocks", resource = &*name_of(event.resources), "waiting");
    }

    fn waited(&self, event: &Waited<'_>) {
        let (name, time) = (name_of(event.resources), event.time);
        let resource = &*name;
        debug!(target: "redlocks", resource, ?time, "waited");
    }

    fn acquired(&self, event: &Acquired<'_>) {
        let Acquired { attempts, waited, validity, .. } = *event;
        let fence = event.fence.map(redlock_core::Fence::get);
        self.begin(event.resources, event.token).in_scope(|| {
            let (name, token) = (name_of(event.resources), Mark(event.token));
        let resource = &*name;
            debug!(
                target: "redlocks", resource, %token, attempts, ?waited, ?validity, fence, "acquired"
            );
        });
    }

    fn gave_up(&self, event: &GaveUp<'_>) {
        let GaveUp { attempts, waited, .. } = *event;
        let (name, reason) = (name_of(event.resources), event.reason.name());
        let resource = &*name;
        let ordinary = matches!(event.reason, GaveUpReason::Contended | GaveUpReason::Cancelled);
        if ordinary || !self.seldom.is_time(reason, "gave up", Instant::now()) {
            debug!(target: "redlocks", resource, reason, attempts, ?waited, "gave up");
        } else {
            warn!(target: "redlocks", resource, reason, attempts, ?waited, "gave up");
        }
    }

    fn adopted(&self, event: &Adopted<'_>) {
        let (validity, fence) = (event.validity, event.fence.map(redlock_core::Fence::get));
        self.begin(event.resources, event.token).in_scope(|| {
            let (name, token) = (name_of(event.resources), Mark(event.token));
            let resource = &*name;
            debug!(target: "redlocks", resource, %token, ?validity, fence, "adopted");
        });
    }

    fn extended(&self, event: &Extended<'_>) {
        let Extended { margin, validity, .. } = *event;
        self.extension(event.token, Extensions::Work);
        self.span(event.token).in_scope(|| {
            let (name, token) = (name_of(event.resources), Mark(event.token));
            let resource = &*name;
            let (by, tally) = (event.by.name(), Count::of(event.tally));
            debug!(
                target: "redlocks", resource, %token, by, ?margin, ?validity, %tally, "extended"
            );
        });
    }

    fn not_extended(&self, event: &NotExtended<'_>) {
        let margin = event.margin;
        let before = self.extension(event.token, Extensions::Fail);
        self.span(event.token).in_scope(|| {
            let (name, token) = (name_of(event.resources), Mark(event.token));
            let resource = &*name;
            let (by, tally) = (event.by.name(), Count::of(event.tally));
            if before == Extensions::Work {
                warn!(target: "redlocks", resource, %token, by, ?margin, %tally, "not extended");
            } else {
                debug!(target: "redlocks", resource, %token, by, ?margin, %tally, "not extended");
            }
        });
    }

    fn healed(&self, event: &Healed<'_>) {
        self.span(event.token).in_scope(|| {
            let (name, token) = (name_of(event.resources), Mark(event.token));
            let resource = &*name;
            info!(target: "redlocks", resource, %token, node = event.label, "healed");
        });
    }

    fn lost(&self, event: &Lost<'_>) {
        let Lost { held, margin, .. } = *event;
        self.end(event.token).in_scope(|| {
            let (name, token) = (name_of(event.resources), Mark(event.token));
            let resource = &*name;
            let reason = names::loss(event.reason);
            warn!(target: "redlocks", resource, %token, reason, ?held, ?margin, "lost");
        });
    }

    fn released(&self, event: &Released<'_>) {
        let Released { held, margin, .. } = *event;
        self.end(event.token).in_scope(|| {
            let (name, token) = (name_of(event.resources), Mark(event.token));
            let resource = &*name;
            debug!(target: "redlocks", resource, %token, ?held, ?margin, "released");
        });
    }

    fn handed_on(&self, event: &HandedOn<'_>) {
        let HandedOn { held, margin, .. } = *event;
        self.end(event.token).in_scope(|| {
            let (name, token) = (name_of(event.resources), Mark(event.token));
            let resource = &*name;
            debug!(target: "redlocks", resource, %token, ?held, ?margin, "handed on");
        });
    }

    fn freed(&self, event: &Freed<'_>) {
        let (name, outcome) = (name_of(event.resources), names::release(event.outcome));
        let resource = &*name;
        let (token, tally) = (Mark(event.token), Count::of(event.tally));
        trace!(target: "redlocks", resource, %token, outcome, %tally, "freed");
    }

    fn node_failed(&self, event: &NodeFailed<'_>) {
        let NodeFailed { resources, error, .. } = *event;
        let (resource, node) = (resources.map(name_of), error.label());
        let resource = resource.as_deref();
        let kind = names::failure(error.kind());
        if self.seldom.is_time(kind, node, Instant::now()) {
            warn!(target: "redlocks", resource, node, kind, %error, "node failed");
        } else {
            debug!(target: "redlocks", resource, node, kind, %error, "node failed");
        }
    }
}

/// How many resources of a set are named.
const MOST_SHOWN: usize = 16;
