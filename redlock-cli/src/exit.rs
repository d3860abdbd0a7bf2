//! How the program ends: [`Exit`] and [`Outcome`].

use std::io::{self, Write};

use redlocks::Error;
use serde_json::{Map, Value, json};

use crate::words::{LONGEST_MESSAGE, one_line};

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit(pub(crate) u8);

impl Exit {
    pub(crate) const DONE: Self = Self(0);
    pub(crate) const NOT_HELD: Self = Self(1);
    pub(crate) const USAGE: Self = Self(2);
    pub(crate) const NO_QUORUM: Self = Self(3);
    /// Something on this machine failed.
    pub(crate) const FAILED: Self = Self(70);

    /// As shells tell that a signal has ended something.
    pub(crate) fn by_signal(signal: i32) -> Self {
        Self(u8::try_from(signal).map_or(u8::MAX, |signal| signal.saturating_add(128)))
    }
}

/// Of `run`, whose command may end with the small numbers.
#[cfg(unix)]
impl Exit {
    /// No quorum.
    pub(crate) const RUN_NO_QUORUM: Self = Self(69);
    /// Not acquired.
    pub(crate) const RUN_NOT_ACQUIRED: Self = Self(75);
    /// Lost.
    pub(crate) const RUN_LOST: Self = Self(76);
    /// The command cannot be started.
    pub(crate) const CANNOT_START: Self = Self(126);
    /// There is no such command.
    pub(crate) const NO_SUCH_COMMAND: Self = Self(127);

    /// The same end, told by `run`.
    pub(crate) const fn of_run(self) -> Self {
        match self {
            Self::NOT_HELD => Self::RUN_NOT_ACQUIRED,
            Self::NO_QUORUM => Self::RUN_NO_QUORUM,
            other => other,
        }
    }
}

/// What came of a sub-command: for scripts, for people, and as an exit code.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) exit: Exit,
    /// In one word, for scripts.
    name: &'static str,
    /// What goes to standard output.
    output: Option<String>,
    /// What people are told on standard error.
    message: Option<String>,
    details: Map<String, Value>,
}

impl Outcome {
    pub(crate) fn new(exit: Exit, name: &'static str) -> Self {
        Self { exit, name, output: None, message: None, details: Map::new() }
    }

    pub(crate) fn usage(message: impl ToString) -> Self {
        Self::new(Exit::USAGE, "usage").message(message)
    }

    pub(crate) fn failed(message: impl ToString) -> Self {
        Self::new(Exit::FAILED, "failed").message(message)
    }

    pub(crate) fn interrupted(signal: i32) -> Self {
        let message = format!("ended by signal {signal}");
        Self::new(Exit::by_signal(signal), "interrupted").message(message).detail("signal", signal)
    }

    /// Why a lock could not be had, or is not held any more.
    pub(crate) fn of_error(error: &Error) -> Self {
        let (exit, name) = match error {
            Error::TimedOut { last, .. } => Self::kind(last),
            error => Self::kind(error),
        };
        let outcome = Self::new(exit, name).message(error);
        match error.report() {
            Some(report) => outcome.detail("nodes", crate::nodes::ballots(report)),
            None => outcome,
        }
    }

    fn kind(error: &Error) -> (Exit, &'static str) {
        match error {
            Error::Contended(_) => (Exit::NOT_HELD, "not_acquired"),
            Error::Lost { .. } => (Exit::NOT_HELD, "not_held"),
            Error::Unavailable(_) | Error::TooSlow(_) | Error::Undecided(_) => {
                (Exit::NO_QUORUM, "no_quorum")
            }
            Error::Config(_) => (Exit::USAGE, "usage"),
            _ => (Exit::FAILED, "failed"),
        }
    }

    pub(crate) fn output(mut self, line: impl Into<String>) -> Self {
        self.output = Some(line.into());
        self
    }

    pub(crate) fn message(mut self, message: impl ToString) -> Self {
        self.message = Some(message.to_string());
        self
    }

    pub(crate) fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.into(), value.into());
        self
    }

    /// With the exit codes of `run`, where it is ours and not the command's.
    #[cfg(unix)]
    pub(crate) fn of_run(mut self) -> Self {
        self.exit = self.exit.of_run();
        self
    }

    /// As one JSON object.
    pub(crate) fn to_json(&self) -> Value {
        let mut all = Map::new();
        all.insert("outcome".into(), json!(self.name));
        all.insert("exit_code".into(), json!(self.exit.0));
        if let Some(message) = &self.message {
            all.insert("message".into(), json!(message));
        }
        all.extend(self.details.clone());
        Value::Object(all)
    }

    /// Writes what is to be told where it belongs.
    pub(crate) fn write(&self, json: bool) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        if json {
            writeln!(out, "{}", self.to_json())?;
        } else {
            if let Some(message) = &self.message {
                tell(message);
            }
            if let Some(output) = &self.output {
                writeln!(out, "{output}")?;
            }
        }
        out.flush()
    }

    /// The same where standard output belongs to somebody else, or cannot be written.
    pub(crate) fn write_aside(&self, json: bool) {
        if json {
            let _ = writeln!(anstream::stderr(), "{}", self.to_json());
        } else if let Some(message) = &self.message {
            tell(message);
        }
    }
}

/// Tells people something. If nobody can be told, the exit code has it.
pub(crate) fn tell(message: impl std::fmt::Display) {
    let message = one_line(&message.to_string(), LONGEST_MESSAGE);
    let _ = writeln!(anstream::stderr(), "redlock: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn run_has_codes_that_no_other_command_of_ours_has() {
        for (exit, of_run) in [(1, 75), (3, 69), (0, 0), (2, 2), (70, 70)] {
            assert_eq!(Exit(exit).of_run(), Exit(of_run));
        }
    }

    #[test]
    fn a_signal_is_told_as_shells_do() {
        assert_eq!(Exit::by_signal(15), Exit(143));
    }

    #[test]
    fn an_outcome_is_one_object() {
        let outcome = Outcome::usage("odd").detail("resource", "a\"b");
        assert_eq!(
            outcome.to_json(),
            json!({"outcome": "usage", "exit_code": 2, "message": "odd", "resource": "a\"b"})
        );
    }
}
