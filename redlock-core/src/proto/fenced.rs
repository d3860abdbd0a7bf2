use super::Fence;

/// A value that refuses whoever comes with a fencing token smaller than the largest it has seen.
///
/// For a service that has in memory what the lock protects: the value can be reached for writing
/// only by showing a fence, so the check cannot be left out, and between the check and the write
/// nobody else comes in, for both happen under one `&mut`. Behind a mutex it is what other threads
/// share; a map of them checks row by row.
///
/// ```
/// use redlock_core::{Fence, Fenced};
///
/// let mut stock = Fenced::new(10);
/// *stock.admit(Fence::new(33))? -= 1; // alice, who is then paused past her lease
/// *stock.admit(Fence::new(34))? -= 1; // bob, the next holder
/// *stock.admit(Fence::new(34))? -= 1; // once more: he still is the last
///
/// let late = stock.admit(Fence::new(33)).unwrap_err(); // alice goes on
/// assert_eq!(late.to_string(), "the fencing token 33 is stale, 34 was seen before");
/// assert_eq!(*stock.get(), 7);
/// # Ok::<(), redlock_core::Stale>(())
/// ```
///
/// **Show the fence before you read** what you are going to write from. Whoever reads, computes
/// and shows his fence only with the write may have read what an earlier holder, not yet refused,
/// then changed.
///
/// The largest fence is as much a part of the state as the value. If the value is written down, write
/// down [`seen`](Self::seen) with it, in one step, and begin [there](Self::since) again; a value
/// that comes back without it admits everybody once more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fenced<T> {
    seen: Fence,
    value: T,
}

impl<T> Fenced<T> {
    /// A value that nobody has come to yet.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self::since(Fence::new(0), value)
    }

    /// A value as it was written down, with the largest fence that it had [seen](Self::seen).
    #[must_use]
    pub const fn since(seen: Fence, value: T) -> Self {
        Self { seen, value }
    }

    /// The value, for the holder with this fence to read and to change. From now on nobody with a
    /// smaller one is admitted.
    ///
    /// # Errors
    ///
    /// [`Stale`] if somebody with a larger fence was here. Nothing is changed then.
    pub fn admit(&mut self, fence: Fence) -> Result<&mut T, Stale> {
        if fence < self.seen {
            return Err(Stale::new(fence, self.seen));
        }
        self.seen = fence;
        Ok(&mut self.value)
    }

    /// The value, for readers who write nothing from what they read.
    #[must_use]
    pub const fn get(&self) -> &T {
        &self.value
    }

    /// The largest fence that was admitted.
    #[must_use]
    pub const fn seen(&self) -> Fence {
        self.seen
    }
}

/// A fencing token was smaller than one that the resource had seen: who shows it was a holder once
/// and is none now.
///
/// [`Fenced`] gives it; a resource with a check of its own can do so too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the fencing token {fence} is stale, {seen} was seen before")]
pub struct Stale {
    fence: Fence,
    seen: Fence,
}

impl Stale {
    /// This fence was refused because that one had been seen.
    #[must_use]
    pub const fn new(fence: Fence, seen: Fence) -> Self {
        Self { fence, seen }
    }

    /// The fence that was refused.
    #[must_use]
    pub const fn fence(self) -> Fence {
        self.fence
    }

    /// The larger one that the resource had seen.
    #[must_use]
    pub const fn seen(self) -> Fence {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_largest_so_far_is_admitted_as_often_as_it_comes() {
        let mut fenced = Fenced::new(0);
        for _ in 0..3 {
            *fenced.admit(Fence::new(7)).unwrap() += 1;
        }
        assert_eq!((*fenced.get(), fenced.seen()), (3, Fence::new(7)));
    }

    #[test]
    fn a_smaller_one_is_refused_and_changes_nothing() {
        let mut fenced = Fenced::since(Fence::new(8), "kept");
        let stale = fenced.admit(Fence::new(7)).unwrap_err();
        assert_eq!((stale.fence(), stale.seen()), (Fence::new(7), Fence::new(8)));
        assert_eq!(fenced, Fenced::since(Fence::new(8), "kept"));
    }

    proptest! {
        #[test]
        fn what_is_admitted_never_goes_back(fences in prop::collection::vec(0_u64..9, 0..30)) {
            let mut fenced = Fenced::new(Vec::new());
            for fence in fences.iter().copied().map(Fence::new) {
                let largest = fenced.seen();
                match fenced.admit(fence) {
                    Ok(log) => log.push(fence),
                    Err(stale) => prop_assert_eq!(stale, Stale::new(fence, largest)),
                }
                prop_assert_eq!(fenced.seen(), largest.max(fence));
            }
            prop_assert!(fenced.get().is_sorted());
            prop_assert_eq!(fenced.get().last().copied().unwrap_or_default(), fenced.seen());
        }
    }
}
