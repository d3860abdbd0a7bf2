#![doc = include_str!("../docs/blocking.md")]

#[doc(inline)]
pub use redlock_blocking::*;
