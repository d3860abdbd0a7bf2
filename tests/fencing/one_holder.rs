//! What keeps its number: whatever is still the same holder.

use std::time::Duration;

use redlock_testkit::MemoryNode;
use redlocks::Redlock;

#[tokio::test(start_paused = true)]
async fn a_lock_keeps_its_number_when_it_is_extended_handed_on_and_entered_again() {
    let nodes = MemoryNode::cluster(3);
    let redlock = Redlock::builder().nodes(nodes.clone()).build().unwrap();
    let lock = redlock.lock("r").fencing(true);
    let mut guard = lock.acquire().await.unwrap();
    let fence = guard.fencing_token().unwrap();
    guard.extend(Duration::from_secs(60)).await.unwrap();
    assert_eq!(guard.fencing_token(), Some(fence));

    // To a process whose own locks have none.
    let there = Redlock::builder().nodes(nodes).build().unwrap();
    let lease = guard.into_lease();
    assert_eq!(lease.fencing_token(), Some(fence));
    let guard = there.adopt(&lease).await.unwrap();
    assert_eq!(guard.fencing_token(), Some(fence));
    guard.release().await;

    let owner = lock.reentrant();
    let outer = owner.acquire().await.unwrap();
    let inner = owner.acquire().await.unwrap();
    assert!(outer.fencing_token() > Some(fence));
    assert_eq!(outer.fencing_token(), inner.fencing_token());
    drop((outer, inner));

    let number = lock.run(async |lease| lease.fencing_token()).await.unwrap();
    assert!(number > Some(fence));
    assert_eq!(redlock.lock("r").acquire().await.unwrap().fencing_token(), None);
}
