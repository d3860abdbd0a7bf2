use std::ops::{Deref, DerefMut};

use super::{Options, Server, ServerError};

/// Several servers that know nothing of each other: the nodes of a redlock. Reads as a slice.
#[derive(Debug)]
pub struct Servers(Vec<Server>);

impl Servers {
    /// So many servers without password or persistence.
    ///
    /// # Errors
    ///
    /// As [`Server::start`]; those already started are ended.
    pub fn start(count: usize) -> Result<Self, ServerError> {
        Self::with(count, &Options::new())
    }

    /// So many servers, all with these options.
    ///
    /// # Errors
    ///
    /// As [`Options::start`]; those already started are ended.
    pub fn with(count: usize, options: &Options) -> Result<Self, ServerError> {
        (0..count).map(|_| options.clone().start()).collect::<Result<_, _>>().map(Self)
    }

    /// The urls of all of them.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.iter().map(Server::url).collect()
    }
}

impl From<Vec<Server>> for Servers {
    fn from(servers: Vec<Server>) -> Self {
        Self(servers)
    }
}

impl Deref for Servers {
    type Target = [Server];

    fn deref(&self) -> &[Server] {
        &self.0
    }
}

impl DerefMut for Servers {
    fn deref_mut(&mut self) -> &mut [Server] {
        &mut self.0
    }
}
