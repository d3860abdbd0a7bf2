//! Resources that compare fencing tokens, against holders that write too late; and the same
//! resources without the comparison, on which the late write wins.

#![expect(clippy::unwrap_used, reason = "a panic is the failure of the test")]

#[cfg(feature = "blocking")]
mod blocking;
mod counters;
#[path = "../../examples/fenced_file.rs"]
#[expect(dead_code, reason = "its program is run by the tests of the examples")]
mod fenced_file;
#[cfg(feature = "redis-rs")]
#[path = "../../examples/fenced_redis.rs"]
#[expect(dead_code, reason = "its program is run by the tests of the examples")]
mod fenced_redis;
#[path = "../../examples/fenced_sql.rs"]
#[expect(dead_code, reason = "its program is run by the tests of the examples")]
mod fenced_sql;
mod file;
mod late_write;
mod memory;
mod one_holder;
#[cfg(feature = "redis-rs")]
mod redis;
mod sql;
