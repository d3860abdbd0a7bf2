//! Clients of others, each as its own documentation shows it.

mod distributed_lock;
mod redis_lock;
mod redlock;
mod rslock;

pub(super) use self::{
    distributed_lock::client as distributed_lock, redis_lock::client as redis_lock,
    redlock::client as redlock, rslock::client as rslock,
};
