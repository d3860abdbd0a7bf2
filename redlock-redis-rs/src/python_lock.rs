//! A lock that is shared with users of the Python package python-redis-lock: [`PythonLockNode`].

mod listener;
mod lock_node;
mod node;
mod notifications;
mod reminder;

pub use self::node::PythonLockNode;
