//! Core (module list grows with the driver).
mod node;
pub mod proto;
mod random;
mod runtime;
pub use async_trait::async_trait;
pub use node::*;
pub use proto::*;
pub use random::*;
pub use runtime::*;
