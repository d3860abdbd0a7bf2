//! The node of the example `custom_node`.

use std::{
    env, fs,
    path::PathBuf,
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use redlock_testkit::conformance::{Lacking, Subject};
use redlocks::{
    Delivery, FailureKind, LockNode, NodeError, Resource, Runtime, Token, TokioRuntime, Vote,
    async_trait,
};
use rusqlite::Connection;

use crate::custom_node::SqliteNode;

pub(crate) struct Sqlite {
    folder: PathBuf,
}

impl Sqlite {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("redlocks-sqlite-{}-{number}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    fn node(&self, file: &str) -> Arc<dyn LockNode> {
        Arc::new(SqliteNode::open(self.folder.join(file)).unwrap())
    }

    /// As any other program would open the file.
    fn connection(&self) -> Connection {
        Connection::open(self.folder.join("locks.db")).unwrap()
    }
}

#[async_trait]
impl Subject for Sqlite {
    async fn open(&self) -> Arc<dyn LockNode> {
        self.node("locks.db")
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime::new())
    }

    async fn open_another_store(&self) -> Result<Arc<dyn LockNode>, Lacking> {
        Ok(self.node("other.db"))
    }

    async fn put_foreign(&self, resource: &Resource) -> Result<(), Lacking> {
        let insert = "INSERT INTO locks VALUES (?1, 'mine', 1)";
        self.connection().execute(insert, [resource.as_str()]).unwrap();
        Ok(())
    }

    async fn read_foreign(&self, resource: &Resource) -> Result<Vec<u8>, Lacking> {
        let select = "SELECT quote(token) || quote(expires) FROM locks WHERE resource = ?1";
        let read = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
        let found = self.connection().query_row(select, [resource.as_str()], read).unwrap();
        Ok(found.into_bytes())
    }

    async fn put_endless(&self, resource: &Resource, token: &Token) -> Result<(), Lacking> {
        let insert = "INSERT INTO locks VALUES (?1, ?2, NULL)";
        self.connection().execute(insert, (resource.as_str(), token.as_bytes())).unwrap();
        Ok(())
    }

    async fn take_away(&self) -> Result<(), Lacking> {
        fs::rename(self.folder.join("locks.db"), self.folder.join("away")).unwrap();
        Ok(())
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // What is left behind is in the system's folder for such things.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

redlock_testkit::conformance_tests! {
    Sqlite::new(),
    lacking:
        notifications,
        fencing,
        survey,
        quarantine,
        sets,
        accord,
        a_store_may_forget_what_was_prepared,
        a_cut_connection_is_made_again,
        no_credentials_are_shown
}

/// How the four kinds of trouble that a file can be in are told.
#[tokio::test]
async fn errors_say_what_happened_and_how_far_the_request_came() {
    let subject = Sqlite::new();
    let (name, mine) = (Resource::new("r").unwrap(), Token::from_bytes(*b"mine").unwrap());
    let told = |error: NodeError| (error.kind(), error.delivery());
    let node = subject.open().await;

    // Another program has the file for longer than the node waits.
    let other = subject.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = node.release(&name, &mine).await.unwrap_err();
    assert_eq!(told(error), (FailureKind::TimedOut, Delivery::Refused));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::not_held());
    drop(other);

    subject.put_foreign(&name).await.unwrap();
    let error = node.release(&name, &mine).await.unwrap_err();
    assert_eq!(told(error), (FailureKind::Rejected, Delivery::Refused));

    subject.take_away().await.unwrap();
    let error = node.release(&name, &mine).await.unwrap_err();
    assert_eq!(told(error), (FailureKind::Unreachable, Delivery::NotSent));

    // What is at its place now is not the store that has given its votes.
    for companion in ["locks.db-wal", "locks.db-shm"] {
        // What is in it would be taken for part of the new file.
        let _ = fs::remove_file(subject.folder.join(companion));
    }
    {
        let new = Connection::open(subject.folder.join("other.db")).unwrap();
        let script = "CREATE TABLE store (one INTEGER PRIMARY KEY, identity BLOB);
            INSERT INTO store VALUES (1, randomblob(16));";
        new.execute_batch(script).unwrap();
    }
    fs::rename(subject.folder.join("other.db"), subject.folder.join("locks.db")).unwrap();
    let error = node.release(&name, &mine).await.unwrap_err();
    assert!(error.to_string().ends_with("it is another file now"), "{error}");
    assert_eq!(told(error), (FailureKind::Rejected, Delivery::NotSent));

    fs::write(subject.folder.join("text.db"), "no database at all ".repeat(100)).unwrap();
    let error = SqliteNode::open(subject.folder.join("text.db")).unwrap_err();
    assert_eq!(told(error), (FailureKind::Protocol, Delivery::NotSent));
    let error = SqliteNode::open(subject.folder.join("no folder/locks.db")).unwrap_err();
    assert_eq!(told(error), (FailureKind::Unreachable, Delivery::NotSent));
}
