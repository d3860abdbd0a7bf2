//! The suite is asked of the reference node, and of nodes that break its rules one by one.

mod agreements;
mod broken;
mod counter;
mod defect;
mod memory;
mod node;
mod sets;
mod store;
mod surveyor;
mod teller;
mod unseen;
