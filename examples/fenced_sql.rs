//! A database that refuses late writers: it compares the fencing token of the lock in the statement,
//! or in the transaction, that writes. SQLite here, but the statements are those of any database.
//!
//! What it shows is explained in `docs/fencing.md`.
//!
//! `cargo run --example fenced_sql`

use std::{error::Error, time::Duration};

use redlock_testkit::MemoryNode;
use redlocks::{Fence, Redlock, Renewal, Stale};
use rusqlite::{Connection, Row, Transaction, TransactionBehavior};

/// Documents are locked one by one and have their fence in the row. Accounts are locked all
/// together: their fence has a row of its own, under the name of the lock.
pub(crate) const TABLES: &str = "
    CREATE TABLE documents (
        id INTEGER PRIMARY KEY, text TEXT NOT NULL, fence INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE accounts (name TEXT PRIMARY KEY, balance INTEGER NOT NULL);
    CREATE TABLE fences (resource TEXT PRIMARY KEY, fence INTEGER NOT NULL);
    INSERT INTO documents (id, text) VALUES (1, 'nobody wrote this');
    INSERT INTO accounts VALUES ('savings', 100), ('current', 0);";

/// One row: one statement checks and writes.
pub(crate) fn write(
    database: &Connection,
    id: i64,
    text: &str,
    fence: Fence,
) -> rusqlite::Result<Result<(), Stale>> {
    let changed = database.execute(
        "UPDATE documents SET text = ?2, fence = ?3 WHERE id = ?1 AND fence <= ?3",
        (id, text, i64::from(fence)),
    )?;
    if changed == 1 {
        return Ok(Ok(()));
    }
    // Why not? Without such a row this is the error that says so.
    let find = "SELECT fence FROM documents WHERE id = ?1";
    let seen = database.query_row(find, [id], fence_of)?;
    Ok(Err(Stale::new(fence, seen)))
}

/// Anything that one transaction can do: its first statement shows the fence, and what follows is
/// read and written as its holder.
pub(crate) fn transfer(
    database: &mut Connection,
    amount: i64,
    fence: Fence,
) -> rusqlite::Result<Result<(), Stale>> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Err(stale) = admit(&transaction, "accounts", fence)? {
        return Ok(Err(stale)); // and the transaction is rolled back
    }
    let change = "UPDATE accounts SET balance = balance + ?2 WHERE name = ?1";
    transaction.execute(change, ("savings", -amount))?;
    transaction.execute(change, ("current", amount))?;
    transaction.commit()?;
    Ok(Ok(()))
}

/// Keeps the largest fence of a resource, and holds its row until the transaction ends: whoever
/// comes next with another fence waits, and is then compared with this one.
pub(crate) fn admit(
    transaction: &Transaction<'_>,
    resource: &str,
    fence: Fence,
) -> rusqlite::Result<Result<(), Stale>> {
    let changed = transaction.execute(
        "INSERT INTO fences (resource, fence) VALUES (?1, ?2)
         ON CONFLICT (resource) DO UPDATE SET fence = excluded.fence
         WHERE fences.fence <= excluded.fence",
        (resource, i64::from(fence)),
    )?;
    if changed == 1 {
        return Ok(Ok(()));
    }
    let find = "SELECT fence FROM fences WHERE resource = ?1";
    let seen = transaction.query_row(find, [resource], fence_of)?;
    Ok(Err(Stale::new(fence, seen)))
}

fn fence_of(row: &Row<'_>) -> rusqlite::Result<Fence> {
    let number: i64 = row.get(0)?;
    Ok(Fence::new(number.try_into().unwrap_or_default()))
}

/// In tokio's paused time, so that the ten seconds of alice's pause take none.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut database = Connection::open_in_memory()?;
    database.execute_batch(TABLES)?;
    let nodes = MemoryNode::cluster(3);
    let client = || Redlock::builder().nodes(nodes.clone()).fencing(true).build();
    let (alice, bob) = (client()?, client()?);

    // Not renewed: nor is the lock of a process that does not run.
    let lock = alice.lock("accounts").ttl(Duration::from_secs(10)).renewal(Renewal::off());
    let hers = lock.acquire().await?;
    let her_fence = hers.fencing_token().ok_or("a fenced lock has a number")?;
    hers.check()?;
    println!("alice holds the lock with fence {her_fence}, has just looked, and is paused");

    let his = bob.lock("accounts").acquire_within(Duration::from_secs(60)).await?;
    let his_fence = his.fencing_token().ok_or("a fenced lock has a number")?;
    println!("ten seconds later bob gets it, with fence {his_fence}, and writes");
    write(&database, 1, "bob wrote this", his_fence)??;
    transfer(&mut database, 60, his_fence)??;

    println!("alice goes on where she was, with what she was about to write");
    for refused in [
        write(&database, 1, "alice wrote this", her_fence)?,
        transfer(&mut database, 100, her_fence)?,
    ] {
        println!("    refused: {}", refused.err().ok_or("the next holder's write was undone")?);
    }
    let text: String = database.query_row("SELECT text FROM documents", [], |row| row.get(0))?;
    let find = "SELECT balance FROM accounts ORDER BY name DESC LIMIT 1";
    let savings: i64 = database.query_row(find, [], |row| row.get(0))?;
    println!("what stands: {text:?}, and savings of {savings}");
    his.release().await;
    Ok(())
}
