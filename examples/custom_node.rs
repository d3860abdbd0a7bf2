//! A node of one's own: locks in SQLite files. Three files are three nodes, of which two must agree.
//!
//! What it shows is explained in `docs/writing-an-adapter.md`; it passes the conformance suite, in
//! `tests/conformance` of this repository.
//!
//! `cargo run --example custom_node`

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, SystemTime},
};

use futures::channel::oneshot;
use redlocks::{
    Accord, Delivery, Error, FailureKind, Fencing, Identity, Inspection, LockNode, NodeError,
    Notifications, Redlock, Resource, Sets, Survey, Token, Ttl, Vote, Witness, async_trait,
};
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior,
    types::ValueRef,
};

/// A file of locks on this machine, which any number of processes may share.
///
/// SQLite blocks, so the file has a thread of its own. It takes requests in the order in which
/// they were first polled, also those whose futures were dropped since: that is what keeps a
/// release from being carried out before the acquire that it undoes.
pub(crate) struct SqliteNode {
    label: Arc<str>,
    identity: Identity,
    queue: SyncSender<Job>,
}

impl SqliteNode {
    /// The locks in this file, which is made if it is not there.
    pub(crate) fn open(path: impl Into<PathBuf>) -> Result<Self, NodeError> {
        let path = path.into();
        let label: Arc<str> = path.file_name().unwrap_or_default().to_string_lossy().into();
        let opened = connect(&path, OpenFlags::SQLITE_OPEN_CREATE);
        let (connection, identity) =
            opened.map_err(|source| failure(&label, source).with_delivery(Delivery::NotSent))?;
        let file = File { label: Arc::clone(&label), path, identity, open: Some(connection) };
        // Bounded: behind a disk that hangs, requests are turned away, not piled up.
        let (queue, requests) = sync_channel(1_000);
        thread::Builder::new()
            .name(format!("locks in {label}"))
            .spawn(|| file.serve(requests))
            .map_err(|error| {
                NodeError::new(Arc::clone(&label), FailureKind::Other).with_source(error)
            })?;
        Ok(Self { label, identity, queue })
    }

    async fn ask(&self, request: Request) -> Result<Answer, NodeError> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Job { request, reply }).map_err(|error| {
            let (kind, why) = match error {
                TrySendError::Full(_) => (FailureKind::Other, "too many requests are waiting"),
                TrySendError::Disconnected(_) => (FailureKind::Closed, "its thread has ended"),
            };
            NodeError::new(Arc::clone(&self.label), kind)
                .with_delivery(Delivery::NotSent)
                .with_source(why)
        })?;
        // The thread has panicked, perhaps after it had done what it was asked.
        let gone = |_| Err(NodeError::new(Arc::clone(&self.label), FailureKind::Closed));
        answer.await.unwrap_or_else(gone)
    }

    async fn vote(&self, request: Request) -> Result<Vote, NodeError> {
        match self.ask(request).await? {
            Answer::Vote(vote) => Ok(vote),
            Answer::Inspection(_) => {
                Err(NodeError::new(Arc::clone(&self.label), FailureKind::Protocol))
            }
        }
    }
}

#[async_trait]
impl LockNode for SqliteNode {
    fn label(&self) -> &str {
        &self.label
    }

    /// A random number in the file, so two paths to one file are found out.
    fn identity(&self) -> Option<Identity> {
        Some(self.identity)
    }

    fn notifications(&self) -> Option<&dyn Notifications> {
        None
    }

    fn fencing(&self) -> Option<&dyn Fencing> {
        None
    }

    fn sets(&self) -> Option<&dyn Sets> {
        None
    }

    fn survey(&self) -> Option<&dyn Survey> {
        None
    }

    fn witness(&self) -> Option<&dyn Witness> {
        None
    }

    fn accord(&self) -> Option<&dyn Accord> {
        None
    }

    async fn acquire(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        self.vote(Request::Acquire(resource.clone(), token.clone(), ttl)).await
    }

    async fn extend(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        self.vote(Request::Extend(resource.clone(), token.clone(), ttl)).await
    }

    async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
        self.vote(Request::Release(resource.clone(), token.clone())).await
    }

    async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
        match self.ask(Request::Inspect(resource.clone())).await? {
            Answer::Inspection(inspection) => Ok(inspection),
            Answer::Vote(_) => Err(NodeError::new(Arc::clone(&self.label), FailureKind::Protocol)),
        }
    }
}

impl fmt::Debug for SqliteNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteNode").field("label", &self.label).finish_non_exhaustive()
    }
}

struct Job {
    request: Request,
    reply: oneshot::Sender<Result<Answer, NodeError>>,
}

enum Request {
    Acquire(Resource, Token, Ttl),
    Extend(Resource, Token, Ttl),
    Release(Resource, Token),
    Inspect(Resource),
}

enum Answer {
    Vote(Vote),
    Inspection(Inspection),
}

/// What the thread of a node has: the only one that touches the file.
struct File {
    label: Arc<str>,
    path: PathBuf,
    identity: Identity,
    open: Option<Connection>,
}

impl File {
    /// Until the node has been dropped.
    fn serve(mut self, requests: Receiver<Job>) {
        for Job { request, reply } in requests {
            // Nobody wants the lock any more; but a release is wanted by all others.
            if reply.is_canceled() && !matches!(request, Request::Release(..)) {
                continue;
            }
            // Nobody may be waiting.
            let _ = reply.send(self.carry_out(&request));
        }
    }

    /// In one transaction, so that no other request, of whatever process, comes in between.
    fn carry_out(&mut self, request: &Request) -> Result<Answer, NodeError> {
        let label = Arc::clone(&self.label);
        // Until the commit nothing has happened, and SQLite says so.
        let refused = |error| failure(&label, error).with_delivery(Delivery::Refused);
        let connection = self.connection()?;
        let behavior = match request {
            Request::Inspect(_) => TransactionBehavior::Deferred,
            // Takes the right to write at once: what is read is still true when it is written.
            _ => TransactionBehavior::Immediate,
        };
        let transaction = connection.transaction_with_behavior(behavior).map_err(refused)?;
        let answer = transact(&transaction, request).map_err(refused)?;
        let Some(answer) = answer else {
            return Err(NodeError::new(label, FailureKind::Rejected)
                .with_delivery(Delivery::Refused)
                .with_source("a row of this name was made by something else than a lock"));
        };
        // Here it is decided: after an error nobody knows on which side of it the disk is.
        transaction.commit().map_err(|error| failure(&label, error))?;
        Ok(answer)
    }

    /// Opens the file again where it has been away: moved, or on a disk that was not mounted.
    fn connection(&mut self) -> Result<&mut Connection, NodeError> {
        let away =
            |kind| NodeError::new(Arc::clone(&self.label), kind).with_delivery(Delivery::NotSent);
        if !self.path.exists() {
            // An open file can be written to after it was deleted, but nobody else would see it.
            self.open = None;
            return Err(away(FailureKind::Unreachable).with_source("the file is not there"));
        }
        if self.open.is_none() {
            let opened = connect(&self.path, OpenFlags::empty());
            let (connection, identity) = opened
                .map_err(|error| failure(&self.label, error).with_delivery(Delivery::NotSent))?;
            if identity != self.identity {
                return Err(away(FailureKind::Rejected).with_source("it is another file now"));
            }
            self.open = Some(connection);
        }
        self.open.as_mut().ok_or_else(|| away(FailureKind::Unreachable))
    }
}

fn connect(path: &Path, create: OpenFlags) -> rusqlite::Result<(Connection, Identity)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let connection = Connection::open_with_flags(path, flags)?;
    // Shorter than callers wait. It is the file that is waited for; nothing is tried twice.
    connection.busy_timeout(Duration::from_millis(1_500))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // On the disk before it is granted: a node that forgets its grants gives them away twice.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(
        "BEGIN IMMEDIATE;
         CREATE TABLE IF NOT EXISTS locks (resource TEXT PRIMARY KEY, token, expires INTEGER);
         CREATE TABLE IF NOT EXISTS store (one INTEGER PRIMARY KEY, identity BLOB);
         INSERT OR IGNORE INTO store VALUES (1, randomblob(16));
         COMMIT;",
    )?;
    let identity = connection.query_row("SELECT identity FROM store", [], |row| row.get(0))?;
    Ok((connection, Identity::new(u128::from_be_bytes(identity))))
}

/// Decides and writes. `None` if something is there that no lock made.
fn transact(to: &Transaction<'_>, request: &Request) -> rusqlite::Result<Option<Answer>> {
    let (Request::Acquire(resource, ..)
    | Request::Extend(resource, ..)
    | Request::Release(resource, ..)
    | Request::Inspect(resource)) = request;
    // Read when the file is ours: the time spent waiting for it is not taken from the lifetime.
    let now = now();
    let Some(holder) = holder(to, resource, now)? else { return Ok(None) };
    let until = |ttl: &Ttl| now.saturating_add_unsigned(ttl.as_millis());
    let vote = match (request, holder) {
        (Request::Inspect(_), None) => return Ok(Some(Answer::Inspection(Inspection::Free))),
        (Request::Inspect(_), Some(Held { token, expires })) => {
            let remaining = remaining(expires, now);
            return Ok(Token::from_bytes(token)
                .ok()
                .map(|token| Answer::Inspection(Inspection::Held { token, remaining })));
        }
        (Request::Acquire(_, token, ttl), None) => {
            // An ended lock may still have its row.
            to.prepare_cached("INSERT OR REPLACE INTO locks VALUES (?1, ?2, ?3)")?.execute((
                resource.as_str(),
                token.as_bytes(),
                until(ttl),
            ))?;
            Vote::granted()
        }
        (Request::Extend(..) | Request::Release(..), None) => Vote::not_held(),
        (
            Request::Acquire(_, mine, _) | Request::Extend(_, mine, _) | Request::Release(_, mine),
            Some(Held { token, expires }),
        ) if token != mine.as_bytes() => Vote::held_by_another(remaining(expires, now)),
        // It had been granted, and the answer was lost: the first expiry stands.
        (Request::Acquire(..), Some(_)) => Vote::granted(),
        (Request::Extend(_, _, ttl), Some(_)) => {
            // Never less than there is; without an end it stays so, as `max` with NULL is NULL.
            to.prepare_cached("UPDATE locks SET expires = max(expires, ?2) WHERE resource = ?1")?
                .execute((resource.as_str(), until(ttl)))?;
            Vote::granted()
        }
        (Request::Release(..), Some(_)) => {
            to.prepare_cached("DELETE FROM locks WHERE resource = ?1")?
                .execute([resource.as_str()])?;
            Vote::granted()
        }
    };
    Ok(Some(Answer::Vote(vote)))
}

struct Held {
    token: Vec<u8>,
    /// The last millisecond in which it lives; none if it has no end.
    expires: Option<i64>,
}

/// Who has the resource now, if anybody; `None` if the row is not a lock's.
fn holder(
    to: &Transaction<'_>,
    resource: &Resource,
    now: i64,
) -> rusqlite::Result<Option<Option<Held>>> {
    let mut rows = to.prepare_cached("SELECT token, expires FROM locks WHERE resource = ?1")?;
    let row = rows.query_row([resource.as_str()], |row| {
        Ok(match row.get_ref(0)? {
            ValueRef::Blob(token) => Some(Held { token: token.to_vec(), expires: row.get(1)? }),
            _ => None,
        })
    });
    Ok(match row.optional()? {
        None => Some(None),
        Some(None) => None,
        Some(Some(held)) => Some(held.expires.is_none_or(|end| now <= end).then_some(held)),
    })
}

fn remaining(expires: Option<i64>, now: i64) -> Option<Duration> {
    expires.map(|end| Duration::from_millis(u64::try_from(end - now).unwrap_or(0)))
}

/// Milliseconds of the system's clock: the one that all processes which share the file share too,
/// also after a restart. SQLite has no other of its own. Cut to the millisecond here and when it
/// is set, a lock lives for its ttl and at most a millisecond more.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What kind of failure an error is; its delivery is unknown until somebody knows better.
fn failure(label: &Arc<str>, error: rusqlite::Error) -> NodeError {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) => FailureKind::Unreachable,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => FailureKind::TimedOut,
        Some(
            ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied
            | ErrorCode::DiskFull
            | ErrorCode::OutOfMemory
            | ErrorCode::TooBig,
        ) => FailureKind::Rejected,
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => FailureKind::Protocol,
        _ => FailureKind::Other,
    };
    NodeError::new(Arc::clone(label), kind).with_source(error)
}

/// Three files as three nodes.
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("redlocks-custom-node-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let told = story(&folder).await;
    std::fs::remove_dir_all(&folder)?;
    told
}

async fn story(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let files = ["a.db", "b.db", "c.db"].map(|name| folder.join(name));
    let open = || files.iter().map(SqliteNode::open).collect::<Result<Vec<_>, _>>();
    // As two processes would have them, which share nothing but the files.
    let redlock = |nodes| Redlock::builder().nodes(nodes).node_timeout(NODE_TIMEOUT).build();
    let (alice, bob) = (redlock(open()?)?, redlock(open()?)?);

    let guard = alice.lock("orders:42").acquire().await?;
    println!("alice holds \"orders:42\" for {:.1?} more", guard.remaining());
    match bob.lock("orders:42").try_acquire().await {
        Err(error @ Error::Contended(_)) => println!("bob is refused: {error}"),
        other => return Err(format!("bob should have been refused: {other:?}").into()),
    }
    guard.release().await;
    alice.settled().await;
    println!("alice has released it");

    std::fs::rename(&files[2], folder.join("away"))?;
    let guard = bob.lock("orders:42").acquire().await?;
    assert!(guard.is_valid());
    println!("with c.db gone, bob holds it: two of three are a majority");
    guard.release().await;
    bob.settled().await;

    std::fs::rename(&files[1], folder.join("away too"))?;
    match alice.lock("orders:42").try_acquire().await {
        Err(error @ Error::Unavailable(_)) => println!("with b.db gone too: {error}"),
        other => return Err(format!("there was no majority: {other:?}").into()),
    }
    alice.settled().await;
    bob.settled().await;
    Ok(())
}

/// A grant is on the disk before it is answered, and a disk may be busy for a while.
const NODE_TIMEOUT: Duration = Duration::from_secs(2);
