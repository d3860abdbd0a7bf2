//! Those who wait are told of releases over RESP3 as well.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

#[path = "notifications.rs"]
mod notifications;
