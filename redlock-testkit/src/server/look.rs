//! What a test sees of a server.

use super::{Server, ServerError, process::NAME};

impl Server {
    /// The names of all keys, in order.
    ///
    /// # Errors
    ///
    /// [`ServerError::Command`] if the server does not answer.
    pub fn keys(&self) -> Result<Vec<String>, ServerError> {
        let mut keys: Vec<String> = self.cmd(&["KEYS", "*"])?;
        keys.sort();
        Ok(keys)
    }

    /// The server's numbers for the connections of clients that are open now, without those of the
    /// harness, and without those to its replicas and its master.
    ///
    /// # Errors
    ///
    /// [`ServerError::Command`] if the server does not answer.
    pub fn connections(&self) -> Result<Vec<u64>, ServerError> {
        let list: String = self.cmd(&["CLIENT", "LIST"])?;
        let of_clients = list.lines().filter(|line| {
            let flags = field(line, "flags").unwrap_or_default();
            field(line, "name") != Some(NAME) && !flags.contains(['M', 'S'])
        });
        Ok(of_clients.filter_map(|line| field(line, "id")?.parse().ok()).collect())
    }

    /// How often it has carried out a command since its start, those of scripts included.
    ///
    /// Without those that it turned away before they did anything, as a replica does with writes.
    ///
    /// # Errors
    ///
    /// [`ServerError::Command`] if the server does not answer.
    pub fn calls(&self, command: &str) -> Result<u64, ServerError> {
        let stats: String = self.cmd(&["INFO", "commandstats"])?;
        let prefix = format!("cmdstat_{}:calls=", command.to_lowercase());
        let calls = stats
            .lines()
            .find_map(|line| line.strip_prefix(&prefix)?.split(',').next()?.parse().ok());
        Ok(calls.unwrap_or(0))
    }
}

/// A field of one line of `CLIENT LIST`: `id=3 addr=… flags=N …`.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
}
