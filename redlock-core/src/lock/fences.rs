use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{Fence, Resource};

/// What this process knows of the counters of resources.
///
/// It makes acquires quicker, by a hint with which all nodes come to the same count at once, and
/// finds out when counters were lost (requirement R45). Both need only the resources that were in
/// use of late, so of the others it forgets those that came first.
#[derive(Debug, Default)]
pub(super) struct Fences(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    known: HashMap<Resource, Known>,
    /// In the order in which they came.
    order: VecDeque<Resource>,
}

/// What is known of one resource.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// The largest count that a node has told.
    pub(super) hint: Fence,
    /// The largest fence of a lock that was had here.
    pub(super) had: Fence,
}

impl Fences {
    pub(super) fn known(&self, resource: &Resource) -> Known {
        self.state().known.get(resource).copied().unwrap_or_default()
    }

    /// A node has told this count.
    pub(super) fn seen(&self, resource: &Resource, counter: Fence) {
        self.change(resource, |known| known.hint = known.hint.max(counter));
    }

    /// A lock with this fence is had here.
    pub(super) fn had(&self, resource: &Resource, fence: Fence) {
        self.change(resource, |known| {
            known.hint = known.hint.max(fence);
            known.had = known.had.max(fence);
        });
    }

    fn change(&self, resource: &Resource, change: impl FnOnce(&mut Known)) {
        let mut state = self.state();
        if let Some(known) = state.known.get_mut(resource) {
            return change(known);
        }
        if state.order.len() >= MOST
            && let Some(oldest) = state.order.pop_front()
        {
            state.known.remove(&oldest);
        }
        let mut known = Known::default();
        change(&mut known);
        state.order.push_back(resource.clone());
        state.known.insert(resource.clone(), known);
    }

    /// No invariant spans a panic here: what is lost of it costs time.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many resources are remembered: a few hundred kilobytes.
const MOST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(number: usize) -> Resource {
        Resource::new(number.to_string()).unwrap()
    }

    #[test]
    fn it_remembers_the_largest_and_forgets_the_oldest() {
        let fences = Fences::default();
        fences.had(&resource(0), Fence::new(7));
        fences.had(&resource(0), Fence::new(5));
        fences.seen(&resource(0), Fence::new(9));
        let known = fences.known(&resource(0));
        assert_eq!((known.hint, known.had), (Fence::new(9), Fence::new(7)));
        for number in 1..MOST {
            fences.seen(&resource(number), Fence::new(1));
        }
        assert_eq!(fences.known(&resource(0)).had, Fence::new(7));
        fences.seen(&resource(MOST), Fence::new(1));
        assert_eq!(fences.known(&resource(0)).had, Fence::default());
        assert_eq!(fences.state().known.len(), MOST);
    }
}
