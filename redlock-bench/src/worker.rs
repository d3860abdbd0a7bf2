//! Processes that lock: this very program, started again with a hidden subcommand.
//!
//! [`Worker`] is what the benchmark has of one; [`serve`] is what goes on inside. Between them go
//! lines of JSON: an [`Order`] in, one [`Answer`] out.

mod contend;
mod handle;
mod order;
mod serve;

use self::order::Answer;
pub(crate) use self::{
    contend::Turn,
    handle::Worker,
    order::{Contest, Order},
    serve::serve,
};
