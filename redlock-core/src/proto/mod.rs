//! The rules of the lock, pure: values in, decisions out.
//!
//! Nothing here reads a clock, rolls dice, waits or talks to anybody. The time of day is an
//! argument, random bits are an argument, and every type is `Clone + Eq + Hash`, so that a model
//! checker can walk the very code that ships.
//!
//! How one attempt goes, in these words: an [`Attempt`] starts at a [`Moment`] and counts each
//! node's [`Ballot`] into its [`Tally`]; at a quorum of grants it becomes a [`Tenure`], which
//! knows until when the lock is held, extends and ends it; otherwise it ends in [`Orders`] for
//! cleaning up.

// Total, whatever the inputs: nothing here panics or overflows (requirement R55).
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod attempt;
mod drift;
mod error;
mod extension;
mod fence;
mod fenced;
mod fingerprint;
mod healing;
mod inspection;
mod lease;
mod loss;
mod moment;
pub(crate) mod mutant;
mod notice;
mod numbering;
mod owner;
mod pace;
mod quorum;
mod release;
mod renewal;
mod resource;
mod resource_set;
mod restart;
mod retry;
mod round;
mod standing;
mod tally;
mod tenure;
mod timing;
mod token;
mod ttl;
mod undo;
mod vote;
mod wait;

pub use attempt::{Attempt, Orders, Progress};
pub use drift::Drift;
pub use error::ConfigError;
pub use extension::{Extension, ExtensionStep};
pub use fence::Fence;
pub use fenced::{Fenced, Stale};
pub use fingerprint::Fingerprint;
pub use healing::Healing;
pub use inspection::Inspection;
pub use lease::Lease;
pub use loss::{Loss, LossReason};
pub use moment::Moment;
#[cfg(feature = "mutants")]
pub use mutant::Mutant;
pub use notice::Notice;
pub use owner::Owner;
pub use pace::Pace;
pub use quorum::{NodeSet, Quorum};
pub use release::ReleaseOutcome;
pub use renewal::{Renewal, Schedule};
pub use resource::Resource;
pub use resource_set::ResourceSet;
pub use restart::RestartPolicy;
pub use retry::{Backoff, Retry};
pub use round::{Round, Verdict};
pub use standing::Standing;
pub use tally::Tally;
pub use tenure::{Ending, Late, Tenure};
pub use timing::Timing;
pub use token::Token;
pub use ttl::Ttl;
pub use undo::{Undo, UndoStep};
pub use vote::{Ballot, Delivery, Failure, FailureKind, Refusal, Vote};
pub use wait::{Obstacle, Outlook, Wait};
