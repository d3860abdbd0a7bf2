//! Nodes over a pool of `deadpool-redis`: [`PooledNode`].
//!
//! A pool promises no order between its connections, and a lock needs one: a release that
//! overtakes its acquire leaves the key there for its whole ttl. So
//!
//! * calls share one connection out of the pool at a time, their [lane](lane::Lane), which also
//!   saves the round trip with which the pool tests a connection each time it is handed out;
//! * calls for one token of one resource take [turns](turns::Turns);
//! * a call that has no answer has its [claim](turns::Claim) pinned to its lane, so the next
//!   call for it goes the same way, behind it;
//! * a lane with a call that has no answer takes no other claims, and its connection is back in the
//!   pool only once the server has answered something sent later on it. The
//!   [keeper](keeper::keep) sees to that.

mod call;
mod checkout;
mod keeper;
mod lane;
mod lanes;
mod node;
mod tenancy;
mod turns;

pub use self::node::PooledNode;
