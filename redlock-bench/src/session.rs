//! One client and the runtime it lives in: [`Session`].

use std::{num::NonZeroUsize, sync::Arc};

use tokio::runtime::{self, Runtime};

use crate::{
    Failure,
    client::{Kind, LockClient},
    load::{Done, Load},
};

/// A client with a runtime of its own, so that no other's background work counts as its.
pub(crate) struct Session {
    kind: Kind,
    client: Arc<dyn LockClient>,
    runtime: Runtime,
}

impl Session {
    /// Returns when connections are made, scripts loaded and caches warm.
    pub(crate) fn start(
        kind: Kind,
        urls: &[String],
        threads: NonZeroUsize,
    ) -> Result<Self, Failure> {
        let runtime = runtime(threads)?;
        let client: Arc<dyn LockClient> = {
            let _inside = runtime.enter();
            kind.client(urls)?.into()
        };
        let session = Self { kind, client, runtime };
        session.pairs(WARM_UP).map_err(|failure| format!("{}: {failure}", kind.name()))?;
        Ok(session)
    }

    pub(crate) fn run(&self, load: Load) -> Result<Done, Failure> {
        if self.kind.blocks() {
            return Ok(load.run_on_threads(&self.client, &self.name(load)));
        }
        let (client, name) = (Arc::clone(&self.client), self.name(load));
        let task = self.runtime.spawn(async move { load.run(&client, &name).await });
        self.runtime.block_on(task)?
    }

    /// So many pairs, one after the other; with a runtime of one thread all of it on this one.
    pub(crate) fn pairs(&self, count: usize) -> Result<(), Failure> {
        let client = Arc::clone(&self.client);
        let resource = format!("{:?}, one after the other", self.kind);
        let pairs = async move {
            for _ in 0..count {
                if !client.pair(&resource).await? {
                    return Err("a release was not confirmed".into());
                }
            }
            client.settled().await;
            Ok(())
        };
        if self.kind.blocks() {
            return futures::executor::block_on(pairs);
        }
        let task = self.runtime.spawn(pairs);
        self.runtime.block_on(task)?
    }

    /// How the resources of its tasks begin. Some clients leave keys behind, which are to stand in
    /// nobody else's way.
    fn name(&self, load: Load) -> String {
        format!("{:?}, {} tasks", self.kind, load.tasks)
    }
}

pub(crate) fn runtime(threads: NonZeroUsize) -> Result<Runtime, Failure> {
    let mut builder = match threads.get() {
        1 => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    Ok(builder.worker_threads(threads.get()).enable_all().build()?)
}

const WARM_UP: usize = 20;
