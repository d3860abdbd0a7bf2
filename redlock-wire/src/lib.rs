//! What all Redis adapters of redlocks have in common, without a client library.
//!
//! A crate of its own so that the scripts live once: core knows no Redis, and an adapter for one
//! client library must not bring another one along.
//!
//! * [`Exchange`]: what an adapter writes for its client: send one [`Command`], read its [`Reply`].
//! * [`acquire`], [`extend`], [`release`], [`inspect`]: what is said on it for the calls of a lock.
//! * [`list`], [`reset`]: for those who operate locks.
//! * [`agree`]: what all clients of a server are to have the same, under an [`agreement_key`].
//! * [`Voting`]: the same with what one node remembers: votes that are counted, for fencing tokens.
//! * [`release_and_notify`], [`notify`]: how those who wait are told, on the [`Channel`] of a resource,
//!   by a server that has [`Switchboard`] bring it to them: many subscribers, one connection.
//! * [`read_cached`], [`write_cached`]: what a cache on a server is asked, under a [`cache_key`].
//! * [`companion`]: names beside a resource, in its slot.
//! * [`Script`]: what a node runs atomically, and how to read what it answers.
//! * [`PythonLock`]: the same calls as python-redis-lock makes them, with its two keys.
//! * [`failure`]: what an error of the server means for a lock.
//! * [`Introduction`]: who the server is, and what it tells of itself; [`Unfit`]: why it must not
//!   vote although it answers.
//! * [`ServerUrl`]: what a url says, and [`UrlError`]: why it cannot be used.

mod agreement;
mod ask;
mod cache;
mod channel;
mod clock;
mod command;
mod companion;
mod counted;
mod doubts;
mod durability;
mod exchange;
mod failure;
mod fitness;
mod fleet;
mod identity;
mod introduction;
mod mailbox;
mod offset;
mod python_lock;
mod quarantine;
mod record;
mod script;
mod server_url;
mod sets;
mod survey;
mod switchboard;
mod url_error;
mod voting;

pub use self::{
    agreement::{agree, agreement_key},
    ask::{Audience, acquire, extend, inspect, notify, release, release_and_notify},
    cache::{cache_key, read_cached, write_cached},
    channel::Channel,
    command::{Command, Word},
    companion::companion,
    durability::Durability,
    exchange::{Both, Exchange, Item, Reply, Trouble},
    failure::failure,
    fitness::{INFO_SECTIONS, Unfit, is_reticence},
    fleet::{Look, Masters, list_cluster, masters_missing},
    introduction::Introduction,
    offset::Here,
    python_lock::PythonLock,
    script::Script,
    server_url::{ServerUrl, Transport},
    survey::{Lasting, list, reset},
    switchboard::{Errand, Operator, Subscription, Switchboard},
    url_error::{UrlError, UrlProblem},
    voting::{Terms, Voting},
};
