use redlock_testkit::server::Servers;

use crate::Failure;

/// The servers of one redlock.
#[derive(Debug)]
pub(crate) struct Topology {
    pub(crate) servers: Servers,
    pub(crate) urls: Vec<String>,
}

impl Topology {
    pub(crate) fn start(count: usize) -> Result<Self, Failure> {
        let servers = Servers::start(count)?;
        let urls = servers.urls();
        Ok(Self { servers, urls })
    }

    /// One of each of the usual sizes.
    pub(crate) fn start_all() -> Result<Vec<Self>, Failure> {
        [1, 3, 5].into_iter().map(Self::start).collect()
    }

    /// As a row of a table begins.
    pub(crate) fn name(&self) -> String {
        match self.servers.len() {
            1 => "1 server".to_owned(),
            count => format!("{count} servers"),
        }
    }
}
