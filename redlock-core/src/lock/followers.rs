use std::{
    collections::HashMap,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
};

use futures::FutureExt;

use super::signal::{Ended, Signal};
use crate::Resource;

/// Those of this process who want a value that somebody else may be computing, and are told when
/// it is there: otherwise each of them would have to take the lock to find that out, one after the
/// other.
///
/// What they are told is a hint: they look for themselves.
#[derive(Debug, Default)]
pub(super) struct Followers(Mutex<HashMap<Resource, Weak<Group>>>);

/// Those who want the same.
#[derive(Debug, Default)]
struct Group(Mutex<Signal>);

/// Completes when there is something to look at. Forgotten when it is dropped.
#[derive(Debug)]
pub(super) struct Following {
    followers: Arc<Followers>,
    resource: Resource,
    /// There until this is dropped.
    group: Option<Arc<Group>>,
    told: Ended,
}

impl Followers {
    /// Hears of everything that is told about this resource from now on.
    pub(super) fn follow(self: &Arc<Self>, resource: &Resource) -> Following {
        let group = {
            let mut groups = self.groups();
            let known = groups.get(resource).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let group = Arc::<Group>::default();
                groups.insert(resource.clone(), Arc::downgrade(&group));
                group
            })
        };
        let told = group.signal().subscribe();
        let followers = Arc::clone(self);
        Following { followers, resource: resource.clone(), group: Some(group), told }
    }

    /// The value that is computed under this resource is there.
    pub(super) fn tell(&self, resource: &Resource) {
        let group = self.groups().remove(resource).and_then(|group| group.upgrade());
        // Dropping the signal gives it, and nobody knows what those do who are woken: so nothing is
        // locked by then.
        let signal = group.map(|group| mem::take(&mut *group.signal()));
        drop(signal);
    }

    /// No invariant spans a panic here: each use is a few statements that cannot panic.
    fn groups(&self) -> MutexGuard<'_, HashMap<Resource, Weak<Group>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Group {
    fn signal(&self) -> MutexGuard<'_, Signal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Following {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.told.poll_unpin(cx)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        drop(self.group.take());
        let mut groups = self.followers.groups();
        if groups.get(&self.resource).is_some_and(|group| group.strong_count() == 0) {
            groups.remove(&self.resource);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(name: &str) -> Resource {
        Resource::new(name).unwrap()
    }

    #[test]
    fn all_who_follow_are_told_and_nobody_else() {
        let followers = Arc::<Followers>::default();
        let [mut one, mut two] = ["a", "a"].map(|name| followers.follow(&resource(name)));
        let mut other = followers.follow(&resource("b"));
        assert!((&mut one).now_or_never().is_none());
        followers.tell(&resource("a"));
        let mut late = followers.follow(&resource("a"));
        assert!((&mut one).now_or_never().is_some());
        assert!((&mut two).now_or_never().is_some());
        assert!((&mut other).now_or_never().is_none());
        assert!((&mut late).now_or_never().is_none());
        // Those of the group before do not take the one after with them.
        drop((one, two));
        followers.tell(&resource("a"));
        assert!((&mut late).now_or_never().is_some());
    }

    #[test]
    fn who_has_gone_is_forgotten() {
        let followers = Arc::<Followers>::default();
        let [one, two] = ["a", "a"].map(|name| followers.follow(&resource(name)));
        drop(one);
        assert_eq!(followers.groups().len(), 1);
        drop(two);
        assert_eq!(followers.groups().len(), 0);
        followers.tell(&resource("a"));
    }
}
