use std::sync::Arc;

use futures::future::BoxFuture;

use super::{
    error::Error,
    extend::extend,
    hold::Hold,
    keeper::{Kept, Place, Task},
};
use crate::proto::{
    Moment,
    mutant::{self, Mutant},
};

impl Kept for Hold {
    fn place(&self) -> &Place {
        &self.place
    }

    fn due(&self) -> Moment {
        let tell_at = self.tell_at();
        self.state().renew_at.map_or(tell_at, |renew_at| renew_at.min(tell_at))
    }

    fn tell_at(&self) -> Moment {
        Self::tell_at(self)
    }

    fn look(&self) -> Task {
        if self.ending().is_some() {
            return Task::Forget;
        }
        if self.is_to_be_renewed(self.shared.now()) { Task::Renew } else { Task::Wait }
    }

    fn renew(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { renew(&self).await })
    }
}

impl Hold {
    fn is_to_be_renewed(&self, now: Moment) -> bool {
        self.state().renew_at.is_some_and(|renew_at| renew_at <= now)
    }
}

/// Renews a lock, if that is due, and says when to do so again.
///
/// An outcome that is unknown, because too few nodes answered, neither prolongs nor ends the lock:
/// it is tried again for as long as validity lasts.
async fn renew(hold: &Arc<Hold>) {
    let Some(schedule) = hold.schedule else { return };
    let began = hold.shared.now();
    if !hold.is_to_be_renewed(began) {
        return;
    }
    // In case that this ends without a word: by a panic, or with its runtime.
    hold.state().renew_at = Some(schedule.again(began, 0));
    // One extension at a time (R33); a holder who has stopped to poll his is not waited for.
    let is_busy = hold.state().extending.is_some_and(|until| began < until)
        && !mutant::is(Mutant::RenewalIntrudes);
    let renewed =
        if is_busy { None } else { Some(extend(hold, hold.ttl, hold.node_timeout).await) };
    let chance = hold.shared.chance();
    let renew_at = match renewed {
        Some(Ok(())) if hold.state().tenure.is_at_its_limit() => None,
        Some(Ok(())) if mutant::is(Mutant::RenewedOnce) => None,
        Some(Ok(())) => Some(schedule.next(began, chance)),
        // It has been told, and is not kept any more.
        Some(Err(Error::Lost { .. })) => None,
        Some(Err(_)) | None => Some(schedule.again(hold.shared.now(), chance)),
    };
    hold.state().renew_at = renew_at;
}
