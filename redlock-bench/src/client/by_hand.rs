//! What somebody writes who takes a client library alone.

mod listening;
mod redis_rs;

pub(super) use self::{listening::client as listening, redis_rs::client as over_redis_rs};
