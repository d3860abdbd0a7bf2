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
    use std::sync::Mutex;

    use super::*;
    use crate::observe::Warning;

    /// Writes its name down, and panics the first time.
    #[derive(Debug)]
    struct Named(&'static str, Arc<Mutex<Vec<&'static str>>>);

    impl Observer for Named {
        fn warned(&self, _: &Warning) {
            let first = {
                let mut told = self.1.lock().unwrap();
                told.push(self.0);
                told.iter().filter(|name| **name == self.0).count() == 1
            };
            if first {
                panic!("an observer with a defect");
            }
        }
    }

    #[test]
    fn each_is_told_each_time_in_their_order_whoever_panics() {
        let told = Arc::<Mutex<_>>::default();
        let named = |name| Arc::new(Named(name, Arc::clone(&told))) as Arc<dyn Observer>;
        let onlookers = Onlookers::new(["a", "b"].map(named).into());
        let warning = Warning::NoNotifications { label: Arc::from("a"), error: None };
        assert!(onlookers.are_there());
        onlookers.tell(|observer| observer.warned(&warning));
        onlookers.tell(|observer| observer.warned(&warning));
        assert_eq!(*told.lock().unwrap(), ["a", "b", "a", "b"]);
        assert!(!Onlookers::new(Vec::new()).are_there());
    }
}
