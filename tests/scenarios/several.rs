//! Several resources under one lock.

use redlocks::{Error, Resource};

use crate::client::{Client, Guard, Held, LONG, Lock, Nested, Nodes, Owner};

fn names(held: &impl Held) -> Vec<&str> {
    held.resources().iter().map(Resource::as_str).collect()
}

pub(crate) async fn a_set_is_had_and_given_up_as_one<C: Client>(nodes: &Nodes, client: &C) {
    let mut guard = client.lock_all(&["b", "a", "b"]).ttl(LONG).acquire().await.unwrap();
    assert_eq!(names(&guard), ["a", "b"]);
    assert_eq!((nodes.count_keys("a"), nodes.count_keys("b")), (3, 3));
    // Whoever needs one of them has none of his.
    for theirs in [client.lock("b"), client.lock_all(&["b", "c"])] {
        let error = theirs.try_acquire().await.err().unwrap();
        assert!(matches!(error, Error::Contended(_)), "{error}");
    }
    client.settled().await;
    assert_eq!(nodes.count_keys("c"), 0);
    guard.extend(2 * LONG).await.unwrap();
    assert!(nodes.all().flat_map(|node| node.keys()).all(|key| key.remaining > LONG));

    // As data, too, it is one lock.
    let lease = guard.into_lease();
    assert_eq!(lease.resources().len(), 2);
    let guard = client.adopt(&lease).await.unwrap();
    assert!(guard.release().await.is_released());
    assert_eq!((nodes.count_keys("a"), nodes.count_keys("b")), (0, 0));
    assert!(client.lock_all(&[]).try_acquire().await.is_err());
}

pub(crate) async fn an_owner_of_a_set_has_it_again<C: Client>(nodes: &Nodes, client: &C) {
    let owner = client.lock_all(&["a", "b"]).ttl(LONG).reentrant();
    let outer = owner.acquire().await.unwrap();
    let inner = owner.acquire().await.unwrap();
    assert_eq!((names(&outer), names(&inner)), (vec!["a", "b"], vec!["a", "b"]));
    assert!(outer.release().await.is_none());
    assert_eq!((nodes.count_keys("a"), nodes.count_keys("b")), (3, 3));
    assert!(inner.release().await.unwrap().is_released());
    assert_eq!((nodes.count_keys("a"), nodes.count_keys("b")), (0, 0));
}
