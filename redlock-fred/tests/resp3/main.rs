//! Those who wait are told of releases, over RESP3 as well.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../../../redlock-wire/tests/adapters"]
mod every_adapter {
    mod notifications;
}
