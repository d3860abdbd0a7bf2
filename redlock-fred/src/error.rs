//! From the errors of the client library to [`NodeError`].

use std::{fmt, sync::Arc, time::Duration};

use fred::{
    error::{Error, ErrorKind},
    types::config::Options,
};
use redlock_core::{Delivery, FailureKind, NodeError};
use redlock_wire::{Trouble, Unfit};
use tokio::task::JoinError;

/// Why a command has no answer that can be used.
#[derive(Debug)]
pub(crate) enum Cause {
    /// No answer came within this time.
    Late(Duration),
    /// The server answered with an error, in these words.
    Said(String),
    /// What the library tells.
    Fred(Error),
    /// The server is there, and must not vote.
    Unfit(Unfit),
}

impl Cause {
    /// The task of a connection has ended by itself.
    pub(crate) fn of_end(ended: Result<Result<(), Error>, JoinError>) -> Self {
        let why = ended.map_err(Error::from).and_then(|ended| ended).err();
        let closed = || Error::new(ErrorKind::IO, "the connection has been closed");
        Self::Fred(why.unwrap_or_else(closed))
    }

    /// What the library makes of an answer that is an error, or of none.
    pub(crate) fn of_answer(error: Error, options: &Options) -> Self {
        match (error.kind(), options.timeout) {
            (ErrorKind::Timeout, Some(limit)) => Self::Late(limit),
            _ if is_of_server(&error) => Self::Said(error.details().to_owned()),
            _ => Self::Fred(error),
        }
    }

    /// As the failure of a command, which may have been sent.
    pub(crate) fn of_command(self, label: &Arc<str>) -> Trouble {
        let label = Arc::clone(label);
        match self {
            Self::Late(after) => NodeError::timed_out(label, after).into(),
            Self::Unfit(unfit) => unfit_node(label, unfit).into(),
            Self::Said(text) => {
                let (code, details) = split(&text);
                let code = Box::<str>::from(code);
                let failure = redlock_wire::failure(&code, details);
                let error = NodeError::new(label, failure.kind)
                    .with_delivery(failure.delivery)
                    .with_source(ServerSaid(text));
                Trouble::said(code, error)
            }
            Self::Fred(error) => {
                // Nothing was sent if the queue was full; of all else only the server could tell.
                let delivery = match error.kind() {
                    ErrorKind::Backpressure => Delivery::NotSent,
                    _ => Delivery::Unknown,
                };
                NodeError::new(label, kind(&error, FailureKind::Closed))
                    .with_delivery(delivery)
                    .with_source(Told(error))
                    .into()
            }
        }
    }

    /// As the failure of making a connection, before any command was sent.
    pub(crate) fn of_connecting(self, label: &Arc<str>) -> NodeError {
        let label = Arc::clone(label);
        match self {
            Self::Late(after) => NodeError::timed_out(label, after),
            Self::Unfit(unfit) => unfit_node(label, unfit),
            Self::Said(text) => {
                let (code, details) = split(&text);
                let kind = redlock_wire::failure(code, details).kind;
                NodeError::new(label, kind).with_source(ServerSaid(text))
            }
            // While it connects, the library wraps what the server says in an error of its own.
            Self::Fred(error) if is_of_server(&error) => {
                return Self::Said(error.details().to_owned()).of_connecting(&label);
            }
            Self::Fred(error) => NodeError::new(label, kind(&error, FailureKind::Unreachable))
                .with_source(Told(error)),
        }
        .with_delivery(Delivery::NotSent)
    }
}

fn unfit_node(label: Arc<str>, unfit: Unfit) -> NodeError {
    NodeError::new(label, FailureKind::Rejected).with_source(unfit)
}

/// The call was made where there is no tokio runtime.
pub(crate) fn no_runtime(label: &Arc<str>, error: tokio::runtime::TryCurrentError) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::Other)
        .with_delivery(Delivery::NotSent)
        .with_source(error)
}

/// The runtime that was to make the connection ended meanwhile.
pub(crate) fn runtime_ended(label: &Arc<str>) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::Closed).with_delivery(Delivery::NotSent)
}

/// A client of the user's has no connection at the moment.
pub(crate) fn not_connected(label: &Arc<str>) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::Unreachable)
        .with_delivery(Delivery::NotSent)
        .with_source(NotConnected)
}

/// The kind of an error; `broken` is what a connection means that is not, or no longer, there.
///
/// What a server answers to a command is no error to the library, so `Auth`, `Cluster` and the like
/// are here what it ended the connection for.
fn kind(error: &Error, broken: FailureKind) -> FailureKind {
    match error.kind() {
        ErrorKind::Timeout => FailureKind::TimedOut,
        ErrorKind::Protocol | ErrorKind::Parse | ErrorKind::NotFound => FailureKind::Protocol,
        ErrorKind::Auth | ErrorKind::Cluster | ErrorKind::InvalidCommand => FailureKind::Rejected,
        // `Unknown` is also what it calls a request whose connection's task is gone.
        ErrorKind::IO | ErrorKind::Canceled | ErrorKind::Unknown | ErrorKind::Sentinel => broken,
        #[cfg(feature = "tls")]
        ErrorKind::Tls => broken,
        _ => FailureKind::Other,
    }
}

/// Whether the error is a text of the server's, which starts with a code in capitals.
fn is_of_server(error: &Error) -> bool {
    let (code, _) = split(error.details());
    let capitals = code.len() > 1 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    let kinds = [
        ErrorKind::Auth,
        ErrorKind::Cluster,
        ErrorKind::Config,
        ErrorKind::InvalidArgument,
        ErrorKind::InvalidCommand,
        ErrorKind::Sentinel,
        ErrorKind::Unknown,
    ];
    capitals && kinds.contains(error.kind())
}

/// The first word of a server's error, and the rest.
fn split(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

/// What the library tells; of an error of the system, which it keeps in the form of its `Debug`, the
/// words.
#[derive(Debug)]
struct Told(Error);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = self.0.details();
        let words = details.strip_prefix("Os {").and_then(|fields| {
            let (_, words) = fields.split_once("message: \"")?;
            Some(words.split_once('"')?.0)
        });
        match words {
            Some(words) => f.write_str(words),
            None => self.0.fmt(f),
        }
    }
}

impl std::error::Error for Told {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// The words of the server.
#[derive(Debug, thiserror::Error)]
#[error("{}{_0}", hint(_0))]
struct ServerSaid(String);

fn hint(text: &str) -> &'static str {
    match split(text).0 {
        "WRONGTYPE" => "the resource is the name of a key of another type: ",
        _ => "",
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the client has no connection")]
struct NotConnected;

#[cfg(test)]
mod tests {
    use super::*;

    fn fred(kind: ErrorKind, text: &'static str) -> Cause {
        Cause::Fred(Error::new(kind, text))
    }

    #[test]
    fn a_command_may_have_been_carried_out_unless_the_server_said_no() {
        let label = Arc::from("n");
        for (cause, kind, delivery) in [
            (Cause::Late(Duration::ZERO), FailureKind::TimedOut, Delivery::Unknown),
            (fred(ErrorKind::Timeout, ""), FailureKind::TimedOut, Delivery::Unknown),
            (fred(ErrorKind::IO, "closed"), FailureKind::Closed, Delivery::Unknown),
            (fred(ErrorKind::Canceled, ""), FailureKind::Closed, Delivery::Unknown),
            (fred(ErrorKind::Unknown, "channel closed"), FailureKind::Closed, Delivery::Unknown),
            (fred(ErrorKind::Protocol, ""), FailureKind::Protocol, Delivery::Unknown),
            (fred(ErrorKind::Parse, ""), FailureKind::Protocol, Delivery::Unknown),
            // What ended the connection is told to all who waited, carried out or not.
            (fred(ErrorKind::Cluster, "CLUSTERDOWN"), FailureKind::Rejected, Delivery::Unknown),
            (fred(ErrorKind::Auth, "NOAUTH"), FailureKind::Rejected, Delivery::Unknown),
            (fred(ErrorKind::Backpressure, ""), FailureKind::Other, Delivery::NotSent),
            (fred(ErrorKind::Routing, ""), FailureKind::Other, Delivery::Unknown),
            (Cause::Said("OOM over".into()), FailureKind::Rejected, Delivery::Refused),
            (Cause::Said("NOAUTH".into()), FailureKind::Rejected, Delivery::Refused),
            (Cause::Said("ERR upstream lost".into()), FailureKind::Rejected, Delivery::Unknown),
        ] {
            let error = NodeError::from(cause.of_command(&label));
            assert_eq!((error.kind(), error.delivery()), (kind, delivery), "{error}");
        }
    }

    #[test]
    fn nothing_is_sent_before_there_is_a_connection() {
        let label = Arc::from("n");
        for (cause, kind) in [
            (Cause::Late(Duration::ZERO), FailureKind::TimedOut),
            (fred(ErrorKind::Timeout, ""), FailureKind::TimedOut),
            (fred(ErrorKind::IO, "refused"), FailureKind::Unreachable),
            (fred(ErrorKind::Unknown, "channel closed"), FailureKind::Unreachable),
            (fred(ErrorKind::Sentinel, "Invalid role"), FailureKind::Unreachable),
            (fred(ErrorKind::Protocol, ""), FailureKind::Protocol),
            (fred(ErrorKind::Auth, "WRONGPASS no"), FailureKind::Rejected),
            (fred(ErrorKind::Unknown, "LOADING wait"), FailureKind::Rejected),
            (fred(ErrorKind::Unknown, "ERR unknown command 'HELLO'"), FailureKind::Unsupported),
            (Cause::Said("NOPERM".into()), FailureKind::Rejected),
        ] {
            let error = cause.of_connecting(&label);
            assert_eq!(error.kind(), kind, "{error}");
            assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
        }
    }

    #[test]
    fn a_key_of_another_type_is_named_as_such() {
        let said = Cause::Said("WRONGTYPE wrong kind of value".into());
        assert_eq!(
            NodeError::from(said.of_command(&Arc::from("n"))).to_string(),
            "n rejected the request: the resource is the name of a key of another type: \
             WRONGTYPE wrong kind of value"
        );
    }

    #[test]
    fn an_error_of_the_system_is_told_in_its_words() {
        let refused = std::io::Error::from_raw_os_error(111);
        let error = Cause::Fred(refused.into()).of_connecting(&Arc::from("n")).to_string();
        assert!(!error.contains('{'), "{error}");
        let other = fred(ErrorKind::Timeout, "slow").of_connecting(&Arc::from("n")).to_string();
        assert!(other.ends_with("slow"), "{other}");
    }
}
