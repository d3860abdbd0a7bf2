//! Code that is not async has the same numbers.

use redlock_testkit::MemoryNode;
use redlocks::{Redlock, blocking};

#[test]
fn blocking_guards_tell_their_fences() {
    let builder = Redlock::builder().nodes(MemoryNode::cluster(3));
    let redlock = blocking::Redlock::new(builder).unwrap();
    let lock = redlock.lock("r").fencing(true);
    let first = lock.acquire().unwrap();
    let fence = first.fencing_token().unwrap();
    assert_eq!(first.lease().fencing_token(), Some(fence));
    first.release().unwrap();

    let owner = lock.reentrant();
    let (outer, inner) = (owner.acquire().unwrap(), owner.acquire().unwrap());
    assert!(outer.fencing_token() > Some(fence));
    assert_eq!(outer.fencing_token(), inner.fencing_token(), "they share one hold");

    let plain = redlock.lock("other").acquire().unwrap();
    assert_eq!(plain.fencing_token(), None);
}
