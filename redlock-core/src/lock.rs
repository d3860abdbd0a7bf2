//! The driver: asks nodes through the ports, feeds the rules in [`proto`](crate::proto), and
//! carries out what they decide.
//!
//! Nothing is spawned on the way to a lock. The caller's future polls the calls to the nodes
//! itself; what is still in flight when it has decided, or is dropped, moves to the one
//! [`Reaper`](reaper::Reaper) of its `Redlock`, which finishes and undoes it.

mod aftermath;
mod agreement;
mod alarm;
mod attempt;
mod backlog;
mod behind;
mod builder;
mod calls;
mod compute;
mod contender;
mod defeat;
mod ears;
mod error;
mod extend;
mod fences;
mod followers;
mod found;
mod guard;
mod handle;
mod hold;
mod in_flight;
mod inquiry;
mod inspect;
mod keeper;
mod listing;
mod loss;
mod persist;
mod pulse;
mod pursuit;
mod quest;
mod queue;
mod reaper;
mod record;
mod redlock;
mod reentrant;
mod release;
mod renew;
mod report;
mod reset;
mod search;
mod settings;
mod shared;
mod signal;
mod status;
mod sweep;
mod uproot;
mod watch;

pub use agreement::Agreement;
pub use builder::RedlockBuilder;
pub use compute::GetOrCompute;
pub use error::Error;
pub use found::{ComputeError, Found, Origin, Stored};
pub use guard::Guard;
pub use handle::Lock;
pub use listing::Listed;
pub use loss::LossSignal;
pub use redlock::Redlock;
pub use reentrant::{Reentrant, ReentrantGuard};
pub use release::Release;
pub use report::{Action, NodeReport, Report};
pub use reset::{NodeReset, Reset};
pub use search::Outage;
pub use status::{NodeStatus, Status};
