//! What a node for Redis must live through: [`Outage`]s of a real server behind a
//! [`Proxy`](crate::server::Proxy).
//!
//! ```ignore
//! async fn connect(url: String) -> Result<Arc<dyn LockNode>, Box<dyn Error + Send + Sync>> {
//!     Ok(Arc::new(MyNode::open(&url)?))
//! }
//!
//! // One test for each outage; the node may have one connection at most.
//! redlock_testkit::outage_tests!(connect, connections: 1);
//! ```
//!
//! In every outage: no request is carried out twice, and none of which the node says that it was
//! not (requirement R20 of the lock); after it, the node votes again within a
//! [second](OutageReport::returned); in the end no key, no connection and no task is left.

mod bodies;
mod trial;

use std::{error::Error, fmt, future::Future, sync::Arc, time::Duration};

use redlock_core::LockNode;

use self::trial::Trial;

/// Something that happens to a server, or to the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outage {
    /// The server is not there when the node is made.
    AbsentAtStart,
    /// The server is killed, and started again empty.
    Killed,
    /// The server is suspended, and goes on with what it was sent.
    Hung,
    /// Nobody can connect, and existing connections end.
    Refused,
    /// The connection is cut in the middle of a reply.
    CutInReply,
    /// Requests are carried out, their replies are lost, then the connection ends.
    LostReplies,
    /// Requests are lost; also those of new connections, which seem to be made.
    LostRequests,
    /// A request arrives after its connection was given up for another one.
    LateRequest,
    /// The password is wrong, and later made right.
    WrongPassword,
    /// The server is a replica, and later promoted.
    Replica,
}

impl Outage {
    /// Every one of them.
    pub const ALL: [Self; 10] = [
        Self::AbsentAtStart,
        Self::Killed,
        Self::Hung,
        Self::Refused,
        Self::CutInReply,
        Self::LostReplies,
        Self::LostRequests,
        Self::LateRequest,
        Self::WrongPassword,
        Self::Replica,
    ];
}

/// How a node came through an outage.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OutageReport {
    /// Which.
    pub outage: Outage,
    /// From the end of the outage to the node's next vote.
    pub returned: Duration,
    /// Connections to the server after that.
    pub connections: usize,
    /// Requests that were carried out without the node's learning of it.
    pub unknown: u32,
}

impl fmt::Display for OutageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { outage, returned, connections, unknown } = self;
        write!(
            f,
            "{outage:?}: votes again after {} ms; {connections} connections; {unknown} requests \
             carried out without an answer",
            returned.as_millis()
        )
    }
}

/// Why a node, or a server, could not be had, or what the node did that it must not.
pub type Failed = Box<dyn Error + Send + Sync>;

/// Puts a node through an outage.
///
/// `connect` makes the node for the server at a url; it need not be reachable then. `connections`
/// is how many the node is allowed to have.
///
/// Runs on the caller's tokio runtime, which nothing else should use: its tasks are counted. The
/// calling thread is blocked now and then, for as long as a server takes to start.
///
/// # Errors
///
/// A sentence that tells what the node did and must not do, or why there was no server.
///
/// # Cancel safety
///
/// When dropped, the server and the proxy end.
pub async fn run<C, F>(
    outage: Outage,
    connections: usize,
    connect: C,
) -> Result<OutageReport, Failed>
where
    C: Fn(String) -> F,
    F: Future<Output = Result<Arc<dyn LockNode>, Failed>>,
{
    let tasks = trial::tasks();
    let mut trial = Trial::prepare(outage)?;
    let node = connect(trial.url()).await?;
    bodies::happen(outage, &mut trial, &*node).await?;
    let report = trial.report(outage, connections)?;
    drop(node);
    trial.nothing_is_left(tasks).await?;
    Ok(report)
}

/// A test of its own for each [`Outage`]: `outage_tests!(connect, connections: 1)`.
///
/// `connect` is what [`run`](crate::outages::run) takes. The tests print their reports. Whoever
/// uses this has `tokio` with its feature `macros` among the dependencies.
#[macro_export]
macro_rules! outage_tests {
    ($connect:expr, connections: $connections:expr) => {
        $crate::outage_tests! { @each $connect, $connections;
            absent_at_start AbsentAtStart, killed Killed, hung Hung, refused Refused,
            cut_in_the_middle_of_a_reply CutInReply, lost_replies LostReplies,
            lost_requests LostRequests, a_request_that_arrives_late LateRequest,
            a_wrong_password_made_right WrongPassword, a_replica_promoted Replica
        }
    };
    (@each $connect:expr, $connections:expr; $($name:ident $outage:ident),*) => {
        $(
            #[tokio::test]
            async fn $name() {
                let outage = $crate::outages::Outage::$outage;
                match $crate::outages::run(outage, $connections, $connect).await {
                    Ok(report) => println!("{report}"),
                    Err(error) => panic!("{outage:?}: {error}"),
                }
            }
        )*

        #[test]
        fn every_outage_has_its_test() {
            let tested = [$($crate::outages::Outage::$outage),*];
            assert_eq!(tested, $crate::outages::Outage::ALL);
        }
    };
}
