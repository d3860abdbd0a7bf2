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
use redlocks::{LockNode, Resource, Runtime, Token, TokioRuntime, async_trait};
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
        a_store_may_forget_what_was_prepared,
        a_cut_connection_is_made_again,
        no_credentials_are_shown
}
