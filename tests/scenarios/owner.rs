//! An owner who takes his lock again while he has it.

use redlocks::{Error, LossReason, Renewal};

use crate::client::{Client, Held, LONG, Lock, MS, Nested, Nodes, Owner};

pub(crate) async fn guards_are_counted<C: Client>(nodes: &Nodes, client: &C) {
    let owner = client.lock("r").ttl(LONG).reentrant();
    let outer = owner.acquire().await.unwrap();
    let mut inner = owner.clone().try_acquire().await.unwrap();
    let innermost = owner.acquire_within(LONG).await.unwrap();
    assert_eq!((outer.depth(), inner.lease().token()), (3, outer.lease().token()));
    assert!(nodes.all().all(|node| node.calls().acquire == 1));
    inner.extend(2 * LONG).await.unwrap();
    assert!(outer.remaining() > LONG);
    assert!(outer.release().await.is_none());
    drop(innermost);
    client.settled().await;
    assert_eq!((inner.depth(), nodes.count_keys("r")), (1, 3));
    inner.check().unwrap();
    assert!(inner.release().await.unwrap().is_released());
    assert_eq!(nodes.count_keys("r"), 0);

    let (outer, inner) = (owner.acquire().await.unwrap(), owner.acquire().await.unwrap());
    drop((outer, inner));
    client.settled().await;
    assert_eq!(nodes.count_keys("r"), 0);
}

pub(crate) async fn a_lost_hold_is_not_revived<C: Client>(_: &Nodes, client: &C) {
    let owner = client.lock("r").ttl(200 * MS).renewal(Renewal::off()).reentrant();
    let old = owner.acquire().await.unwrap();
    assert_eq!(old.lost(LONG).await, Some(LossReason::Expired));
    let error = owner.acquire().await.err().unwrap();
    assert!(matches!(error, Error::Lost { reason: LossReason::Expired, .. }), "{error}");
    let token = old.lease().token().clone();
    drop(old);
    let fresh = owner.acquire_within(LONG).await.unwrap();
    assert_ne!(fresh.lease().token(), &token);
    fresh.release().await;
}

pub(crate) async fn two_owners_compete<C: Client>(_: &Nodes, client: &C) {
    let lock = client.lock("r").ttl(LONG);
    let (mine, yours) = (lock.reentrant(), lock.reentrant());
    let guard = mine.acquire().await.unwrap();
    for error in [yours.try_acquire().await.err().unwrap(), lock.try_acquire().await.err().unwrap()]
    {
        assert!(matches!(error, Error::Contended(_)), "{error}");
    }
    assert!(guard.release().await.unwrap().is_released());
    assert!(yours.try_acquire().await.unwrap().release().await.unwrap().is_released());
}
