//! Each call of a lock is boxed, and what is large is slow to make and to move.

use redlock_core::{LockNode, Notifications};

use crate::common::{Node, resource, token, ttl};

#[test]
fn the_future_of_a_plain_call_is_small() {
    let node = Node::open("redis://127.0.0.1/0").unwrap();
    let (resource, token, ttl) = (resource("r"), token("t"), ttl(1_000));
    let sizes = [
        size_of_val(&*node.acquire(&resource, &token, ttl)),
        size_of_val(&*node.extend(&resource, &token, ttl)),
        size_of_val(&*node.release(&resource, &token)),
        size_of_val(&*node.release_and_notify(&resource, &token)),
    ];
    assert!(sizes.iter().all(|size| *size <= 1024), "{sizes:?}");
}
