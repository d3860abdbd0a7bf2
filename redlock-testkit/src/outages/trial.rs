//! The surroundings of an outage: one server, the way to it, and what is counted.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use redlock_core::{Delivery, LockNode, NodeError, Resource, Token, Ttl, Vote};
use tokio::{runtime::Handle, time};

use super::{Failed, Outage, OutageReport};
use crate::server::{Options, Proxy, Server};

pub(super) struct Trial {
    pub(super) server: Server,
    pub(super) proxy: Arc<Proxy>,
    returned: Option<Duration>,
    unknown: u32,
    probes: u64,
}

/// What is asked of a node.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Acquire,
    Extend,
    Release,
}

impl Call {
    pub(super) const ALL: [Self; 3] = [Self::Acquire, Self::Extend, Self::Release];

    pub(super) async fn make(self, node: &dyn LockNode) -> Result<Vote, NodeError> {
        let (name, token, ttl) = (resource("r")?, token()?, ttl()?);
        match self {
            Self::Acquire => node.acquire(&name, &token, ttl).await,
            Self::Extend => node.extend(&name, &token, ttl).await,
            Self::Release => node.release(&name, &token).await,
        }
    }
}

impl Trial {
    pub(super) fn prepare(outage: Outage) -> Result<Self, Failed> {
        let mut options = Options::new();
        if outage == Outage::WrongPassword {
            options = options.password(PASSWORD);
        }
        let mut server = options.start()?;
        let proxy = Arc::new(Proxy::start(&server)?);
        match outage {
            // The node gets the url with the password that was right until now.
            Outage::WrongPassword => server.set_password("another")?,
            Outage::AbsentAtStart => server.kill(),
            _ => {}
        }
        Ok(Self { server, proxy, returned: None, unknown: 0, probes: 0 })
    }

    pub(super) fn url(&self) -> String {
        self.proxy.url()
    }

    /// How many acquires the returns of the node have cost.
    pub(super) const fn probes(&self) -> u64 {
        self.probes
    }

    pub(super) fn right_password(&mut self) -> Result<(), Failed> {
        Ok(self.server.set_password(PASSWORD)?)
    }

    /// The node works: it has connected, and the server knows its scripts.
    pub(super) async fn warm_up(&mut self, node: &dyn LockNode) -> Result<(), Failed> {
        for call in Call::ALL {
            let vote = call.make(node).await?;
            ensure(vote == Vote::granted(), || format!("{call:?} on a healthy server: {vote:?}"))?;
        }
        Ok(())
    }

    /// A call during the outage: it ends, fails, and the server has not been asked twice.
    ///
    /// Tells whether the server has carried it out.
    pub(super) async fn fails(&mut self, node: &dyn LockNode, call: Call) -> Result<bool, Failed> {
        let before = self.carried_out(call)?;
        let answer = in_time(call.make(node)).await?;
        let Err(error) = answer else {
            return Err(format!("{call:?} was answered in an outage: {answer:?}").into());
        };
        let count = self.carried_out(call)? - before;
        ensure(count <= 1, || format!("one {call:?} was carried out {count} times"))?;
        let known = error.delivery() != Delivery::Unknown;
        ensure(count == 0 || !known, || {
            format!("{call:?} was carried out, and its delivery told as {:?}", error.delivery())
        })?;
        self.unknown += u32::from(count == 1);
        Ok(count == 1)
    }

    /// How often the server has carried such a call out.
    pub(super) fn carried_out(&self, call: Call) -> Result<u64, Failed> {
        Ok(match call {
            Call::Acquire => self.server.calls("set")?,
            Call::Extend | Call::Release => {
                self.server.calls("evalsha")? + self.server.calls("eval")?
            }
        })
    }

    /// The outage is over: the node votes within a second, and says by a release what is left.
    pub(super) async fn returns(&mut self, node: &dyn LockNode) -> Result<(), Failed> {
        let start = Instant::now();
        let mut last = String::new();
        loop {
            // A name of its own: an earlier probe whose outcome is unknown must not refuse it.
            self.probes += 1;
            let (name, token) = (resource(&format!("probe {}", self.probes))?, token()?);
            match in_time(node.acquire(&name, &token, ttl()?)).await? {
                Ok(Vote::Granted { .. }) => break,
                other => last = format!("{other:?}"),
            }
            ensure(start.elapsed() < RETURN, || format!("no vote within a second: {last}"))?;
            time::sleep(PAUSE).await;
        }
        let took = start.elapsed();
        ensure(took < RETURN, || format!("no vote within a second, but after {took:?}: {last}"))?;
        self.returned = Some(took);
        // What a lock does that has asked: everything with an unknown outcome is released.
        for probe in 1..=self.probes {
            let vote = node.release(&resource(&format!("probe {probe}"))?, &token()?).await?;
            let done = vote == Vote::granted();
            ensure(done || probe < self.probes, || format!("release of what is held: {vote:?}"))?;
        }
        let vote = node.release(&resource("r")?, &token()?).await?;
        ensure(vote == Vote::granted() || vote == Vote::not_held(), || format!("{vote:?}"))?;
        let keys = self.server.keys()?;
        ensure(keys.is_empty(), || format!("left behind although released: {keys:?}"))
    }

    pub(super) fn report(&self, outage: Outage, most: usize) -> Result<OutageReport, Failed> {
        let connections = self.server.connections()?.len();
        ensure(connections <= most, || format!("{connections} connections, {most} are allowed"))?;
        let returned = self.returned.ok_or("the outage has not ended")?;
        Ok(OutageReport { outage, returned, connections, unknown: self.unknown })
    }

    pub(super) async fn nothing_is_left(&self, tasks: usize) -> Result<(), Failed> {
        until("the tasks of a dropped node to end", || Ok(self::tasks() <= tasks)).await?;
        until("the connections of a dropped node to end", || {
            Ok(self.server.connections()?.is_empty())
        })
        .await?;
        let keys = self.server.keys()?;
        ensure(keys.is_empty(), || format!("keys are left: {keys:?}"))
    }
}

/// How many tasks this runtime has.
pub(super) fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

pub(super) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}

/// Waits for what is certain to come, however slow the machine is.
pub(super) async fn until(
    what: &str,
    mut done: impl FnMut() -> Result<bool, Failed>,
) -> Result<(), Failed> {
    let start = Instant::now();
    while !done()? {
        ensure(start.elapsed() < PATIENCE, || format!("waited in vain for {what}"))?;
        time::sleep(PAUSE).await;
    }
    Ok(())
}

/// No call may last for ever.
pub(super) async fn in_time<T>(call: impl Future<Output = T>) -> Result<T, Failed> {
    let ended = time::timeout(PATIENCE, call).await;
    ended.map_err(|_| "a call did not end within ten seconds".into())
}

fn resource(name: &str) -> Result<Resource, NodeError> {
    Resource::new(name).map_err(odd)
}

fn token() -> Result<Token, NodeError> {
    Token::from_bytes(TOKEN.as_bytes()).map_err(odd)
}

fn ttl() -> Result<Ttl, NodeError> {
    Ttl::new(LONG).map_err(odd)
}

fn odd(error: impl std::error::Error + Send + Sync + 'static) -> NodeError {
    NodeError::new("the trial", redlock_core::FailureKind::Other).with_source(error)
}

/// By which the proxy knows a request of the trial.
pub(super) const TOKEN: &str = "token-of-the-trial";
const PASSWORD: &str = "password";
/// Longer than any trial, so that nothing vanishes on its own.
const LONG: Duration = Duration::from_secs(300);
const RETURN: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);
