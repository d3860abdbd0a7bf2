//! What the clients of a server agree on: [`agreement_key`] and [`agree`].

use redlock_core::{NodeError, Resource};

use crate::{Command, Exchange, Reply, Script, ask};

/// Where a server keeps what was agreed on under this name: `redlocks:cfg:{name}`, the name put in as
/// it is. It is never listed as a lock.
#[must_use]
pub fn agreement_key(name: &Resource) -> Resource {
    Resource::new(format!("redlocks:cfg:{name}")).expect("it is not empty: it has a beginning")
}

/// Writes these terms down under this name unless there are some, without an end, and tells what is
/// there now: one script, that any Redis from 2.6.12 on can run.
///
/// # Errors
///
/// [`NodeError`] if the server did not answer, or answered that it cannot: the key is of another
/// type, or of a name that this user may not touch.
///
/// # Cancel safety
///
/// Dropped, it is unknown whether they were written down.
pub async fn agree(
    server: &mut impl Exchange,
    name: &Resource,
    terms: &str,
) -> Result<String, NodeError> {
    let key = agreement_key(name);
    let command = Command::script(Script::AGREE, &key).value(terms.as_bytes());
    match ask::run(server, &command).await? {
        Reply::Value(there, _) => Ok(String::from_utf8_lossy(&there).into_owned()),
        _ => Err(ask::odd_answer(server.label())),
    }
}
