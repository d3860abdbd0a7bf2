use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::Observer;

/// All who look on, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Onlookers(Option<Arc<[Arc<dyn Observer>]>>);

impl Onlookers {
    pub(crate) fn new(observers: Vec<Arc<dyn Observer>>) -> Self {
        Self((!observers.is_empty()).then(|| observers.into()))
    }

    /// Whether there are any: all that a lock pays for if there are none is to ask this.
    pub(crate) const fn are_there(&self) -> bool {
        self.0.is_some()
    }

    /// Tells each of them. Not to be called while anything is locked, for nobody knows what they do.
    ///
    /// A panic ends here: on its way out of a lock's own code it would take a lock, an answer or a
    /// clean-up with it that others wait for.
    pub(crate) fn tell(&self, event: impl Fn(&dyn Observer)) {
        for observer in self.0.iter().flat_map(|observers| observers.iter()) {
            let _ = catch_unwind(AssertUnwindSafe(|| event(&**observer)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::observe::Warning;

    #[derive(Debug, Default)]
    struct Counts(AtomicU32);

    impl Observer for Counts {
        fn warned(&self, _: &Warning) {
            if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
                panic!("an observer with a defect");
            }
        }
    }

    #[test]
    fn each_is_told_each_time_whoever_panics() {
        let all = [Arc::<Counts>::default(), Arc::default()];
        let onlookers = Onlookers::new(all.iter().map(|one| Arc::clone(one) as _).collect());
        let warning = Warning::NoNotifications { label: Arc::from("a"), error: None };
        assert!(onlookers.are_there());
        onlookers.tell(|observer| observer.warned(&warning));
        onlookers.tell(|observer| observer.warned(&warning));
        assert_eq!(all.map(|one| one.0.load(Ordering::Relaxed)), [2, 2]);
        assert!(!Onlookers::new(Vec::new()).are_there());
    }
}
