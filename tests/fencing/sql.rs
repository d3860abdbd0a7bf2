//! The statements of the example `fenced_sql`, on SQLite.

use std::{env, fs, process, time::Duration};

use redlocks::{Fence, Stale};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::{
    fenced_sql::{TABLES, admit, transfer, write},
    late_write::{SEEDS, Store, late_write},
};

fn database() -> Connection {
    let database = Connection::open_in_memory().unwrap();
    database.execute_batch(TABLES).unwrap();
    database
}

fn text(database: &Connection) -> String {
    database.query_row("SELECT text FROM documents WHERE id = 1", [], |row| row.get(0)).unwrap()
}

fn savings(database: &Connection) -> i64 {
    let find = "SELECT balance FROM accounts WHERE name = 'savings'";
    database.query_row(find, [], |row| row.get(0)).unwrap()
}

/// A predicate on the row.
struct Row(Connection);

impl Store for Row {
    fn write(&mut self, text: &str, fence: Fence) -> Result<(), Stale> {
        write(&self.0, 1, text, fence).unwrap()
    }

    fn read(&mut self) -> String {
        text(&self.0)
    }
}

/// The same statement without the predicate.
struct RowUnchecked(Connection);

impl Store for RowUnchecked {
    fn write(&mut self, text: &str, _: Fence) -> Result<(), Stale> {
        let changed = self.0.execute("UPDATE documents SET text = ?1 WHERE id = 1", [text]);
        assert_eq!(changed, Ok(1));
        Ok(())
    }

    fn read(&mut self) -> String {
        text(&self.0)
    }
}

/// A transaction over rows that have no fence of their own.
struct Rows {
    database: Connection,
    /// Whether it begins with the fence.
    checks: bool,
}

impl Store for Rows {
    fn write(&mut self, text: &str, fence: Fence) -> Result<(), Stale> {
        let immediate = TransactionBehavior::Immediate;
        let transaction = self.database.transaction_with_behavior(immediate).unwrap();
        if self.checks {
            admit(&transaction, "accounts", fence).unwrap()?;
        }
        transaction.execute("DELETE FROM accounts", []).unwrap();
        transaction.execute("INSERT INTO accounts VALUES (?1, 1)", [text]).unwrap();
        transaction.commit().unwrap();
        Ok(())
    }

    fn read(&mut self) -> String {
        self.database.query_row("SELECT name FROM accounts", [], |row| row.get(0)).unwrap()
    }
}

#[test]
fn a_late_update_of_a_row_is_refused() {
    for seed in SEEDS {
        late_write(seed, Row(database())).assert_refused();
    }
}

#[test]
fn without_the_predicate_the_late_update_wins() {
    for seed in SEEDS {
        late_write(seed, RowUnchecked(database())).assert_lost();
    }
}

#[test]
fn a_late_transaction_over_several_rows_is_refused() {
    for seed in SEEDS {
        late_write(seed, Rows { database: database(), checks: true }).assert_refused();
    }
}

#[test]
fn without_the_fence_the_late_transaction_wins() {
    for seed in SEEDS {
        late_write(seed, Rows { database: database(), checks: false }).assert_lost();
    }
}

#[test]
fn one_holder_writes_as_often_as_he_likes() {
    let mut database = database();
    let fence = Fence::MAX;
    for _ in 0..3 {
        write(&database, 1, "again", fence).unwrap().unwrap();
        transfer(&mut database, 10, fence).unwrap().unwrap();
    }
    assert_eq!((text(&database).as_str(), savings(&database)), ("again", 70));
}

#[test]
fn a_refused_transfer_moves_nothing() {
    let mut database = database();
    transfer(&mut database, 60, Fence::new(34)).unwrap().unwrap();
    let stale = transfer(&mut database, 100, Fence::new(33)).unwrap();
    assert_eq!(stale, Err(Stale::new(Fence::new(33), Fence::new(34))));
    assert_eq!(savings(&database), 40);
    // And nothing of it is left open.
    transfer(&mut database, 40, Fence::new(34)).unwrap().unwrap();
    assert_eq!(savings(&database), 0);
}

/// A holder who is paused inside of his transaction keeps the next one out, who is not then
/// compared with an older number.
#[test]
fn a_transaction_that_has_shown_its_fence_keeps_others_out_until_it_ends() {
    let file = env::temp_dir().join(format!("redlocks-fenced-sql-{}.db", process::id()));
    let _ = fs::remove_file(&file);
    let (mut alices, mut bobs) =
        (Connection::open(&file).unwrap(), Connection::open(&file).unwrap());
    alices.execute_batch(TABLES).unwrap();
    bobs.busy_timeout(Duration::ZERO).unwrap();
    let (alice, bob) = (Fence::new(33), Fence::new(34));

    let paused = alices.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    admit(&paused, "accounts", alice).unwrap().unwrap();
    let busy = transfer(&mut bobs, 10, bob).unwrap_err();
    assert_eq!(busy.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    paused.commit().unwrap();

    transfer(&mut bobs, 10, bob).unwrap().unwrap();
    assert_eq!(transfer(&mut alices, 10, alice).unwrap(), Err(Stale::new(alice, bob)));
    drop((alices, bobs));
    fs::remove_file(file).unwrap();
}

#[test]
fn a_row_that_is_not_there_is_no_stale_fence() {
    let missing = write(&database(), 2, "nowhere", Fence::new(1));
    assert_eq!(missing, Err(rusqlite::Error::QueryReturnedNoRows));
}
