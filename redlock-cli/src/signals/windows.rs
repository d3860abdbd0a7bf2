use std::{future::pending, io};

use tokio::signal::windows::{CtrlC, ctrl_c};

/// Signals that are told, rather than ending the process: Ctrl-C, for there are no others.
#[derive(Debug)]
pub(crate) struct Signals(CtrlC);

impl Signals {
    pub(crate) fn ending() -> io::Result<Self> {
        ctrl_c().map(Self)
    }

    /// The next one, by the number that it has on Unix.
    ///
    /// # Cancel safety
    ///
    /// None is lost; several may be told once.
    pub(crate) async fn next(&mut self) -> i32 {
        match self.0.recv().await {
            Some(()) => INTERRUPT,
            // None will ever be heard of.
            None => pending().await,
        }
    }
}

const INTERRUPT: i32 = 2;
