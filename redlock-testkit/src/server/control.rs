//! What a test has a server do to its clients, and how it is undone.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{Server, ServerError};

impl Server {
    /// Makes it forget the scripts that it knows.
    ///
    /// # Errors
    ///
    /// [`ServerError::Command`] if it does not answer.
    pub fn flush_scripts(&self) -> Result<(), ServerError> {
        self.cmd(&["SCRIPT", "FLUSH"])
    }

    /// Makes it a replica of a server that is not there: it refuses writes, and keeps its data.
    ///
    /// Undone by [`promote`](Self::promote).
    ///
    /// # Errors
    ///
    /// [`ServerError::Command`] if it does not answer.
    pub fn make_read_only(&self) -> Result<(), ServerError> {
        // Nothing listens on port 1.
        self.cmd(&["REPLICAOF", "127.0.0.1", "1"])
    }

    /// Makes it a replica of this server, and waits until it has that server's data.
    ///
    /// # Errors
    ///
    /// [`ServerError::Command`] if it does not answer, [`ServerError::Late`] if it gets no data
    /// within ten seconds.
    pub fn replicate(&self, master: &Self) -> Result<(), ServerError> {
        // By default it waits five seconds for more replicas to come.
        master.cmd::<()>(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"])?;
        if let Some(password) = &master.options().password {
            self.cmd::<()>(&["CONFIG", "SET", "masterauth", password])?;
        }
        if master.options().tls {
            self.cmd::<()>(&["CONFIG", "SET", "tls-replication", "yes"])?;
        }
        self.cmd::<()>(&["REPLICAOF", "127.0.0.1", &master.port().to_string()])?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            let info: String = self.cmd(&["INFO", "replication"])?;
            if info.contains("master_link_status:up") {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err(ServerError::Late("a replica to get the data of its master"))
    }

    /// Makes it a server of its own again, that takes writes.
    ///
    /// # Errors
    ///
    /// [`ServerError::Command`] if it does not answer.
    pub fn promote(&self) -> Result<(), ServerError> {
        self.cmd(&["REPLICAOF", "NO", "ONE"])
    }

    /// Leaves it no memory for another key. Undone by [`free_memory`](Self::free_memory).
    ///
    /// # Errors
    ///
    /// [`ServerError::Command`] if it does not answer.
    pub fn fill_memory(&self) -> Result<(), ServerError> {
        self.cmd(&["CONFIG", "SET", "maxmemory", "1"])
    }

    /// Lets it use all the memory that there is.
    ///
    /// # Errors
    ///
    /// [`ServerError::Command`] if it does not answer.
    pub fn free_memory(&self) -> Result<(), ServerError> {
        self.cmd(&["CONFIG", "SET", "maxmemory", "0"])
    }

    /// From now on the default user must show this password, also after a restart. Who is logged
    /// in stays so.
    ///
    /// # Errors
    ///
    /// [`ServerError::Command`] if it does not answer.
    pub fn set_password(&mut self, password: impl Into<String>) -> Result<(), ServerError> {
        let password = password.into();
        self.cmd::<()>(&["CONFIG", "SET", "requirepass", &password])?;
        self.options_mut().password = Some(password);
        Ok(())
    }
}
