//! From the errors of the client library to [`NodeError`].

use std::{error::Error, fmt, sync::Arc, time::Duration};

use redis::{ErrorKind, RedisError};
use redlock_core::{Delivery, FailureKind, NodeError};
use redlock_wire::{Trouble, Unfit};

#[cfg(feature = "sentinel")]
use crate::unfound::Unfound;

/// Why a command has no answer.
#[derive(Debug)]
pub(crate) enum Cause {
    /// No answer came within the response timeout.
    Late(Duration),
    /// What the library tells.
    Redis(RedisError),
    /// The server is there, and must not vote.
    Unfit(Unfit),
    /// It is not known where the server is.
    #[cfg(feature = "sentinel")]
    Unfound(Unfound),
}

#[cfg(feature = "sentinel")]
impl From<Unfound> for Cause {
    fn from(unfound: Unfound) -> Self {
        Self::Unfound(unfound)
    }
}

impl From<RedisError> for Cause {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<Unfit> for Cause {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

impl Cause {
    /// As the failure of a command, which may have been sent.
    pub(crate) fn of_command(self, label: &Arc<str>) -> Trouble {
        let error = match self {
            Self::Late(after) => return NodeError::timed_out(Arc::clone(label), after).into(),
            Self::Unfit(unfit) => return unfit_node(label, unfit).into(),
            #[cfg(feature = "sentinel")]
            Self::Unfound(unfound) => return unfound_node(label, unfound).into(),
            Self::Redis(error) => error,
        };
        let Some(code) = error.code().map(Box::<str>::from) else {
            let kind = kind(&error, FailureKind::Closed);
            return NodeError::new(Arc::clone(label), kind).with_source(error).into();
        };
        let failure = redlock_wire::failure(&code, error.detail().unwrap_or_default());
        let said = NodeError::new(Arc::clone(label), failure.kind)
            .with_delivery(failure.delivery)
            .with_source(ServerSaid(error));
        Trouble::said(code, said)
    }

    /// As the failure of making a connection, before any command was sent.
    pub(crate) fn of_connecting(self, label: &Arc<str>, broken: FailureKind) -> NodeError {
        match self {
            Self::Late(after) => NodeError::timed_out(Arc::clone(label), after),
            Self::Unfit(unfit) => unfit_node(label, unfit),
            #[cfg(feature = "sentinel")]
            Self::Unfound(unfound) => unfound_node(label, unfound),
            Self::Redis(error) => {
                NodeError::new(Arc::clone(label), kind(&error, broken)).with_source(source(error))
            }
        }
        .with_delivery(Delivery::NotSent)
    }
}

fn unfit_node(label: &Arc<str>, unfit: Unfit) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::Rejected).with_source(unfit)
}

#[cfg(feature = "sentinel")]
fn unfound_node(label: &Arc<str>, unfound: Unfound) -> NodeError {
    let kind = match &unfound {
        Unfound::Silence(Some(error)) => kind(error, FailureKind::Unreachable),
        Unfound::Silence(None) => FailureKind::TimedOut,
        Unfound::Unknown => FailureKind::Rejected,
        Unfound::Discord => FailureKind::Other,
    };
    NodeError::new(Arc::clone(label), kind).with_source(unfound)
}

/// The call was made where there is no tokio runtime.
pub(crate) fn no_runtime(label: &Arc<str>, error: tokio::runtime::TryCurrentError) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::Other)
        .with_delivery(Delivery::NotSent)
        .with_source(error)
}

/// Nothing tells where to connect to listen.
pub(crate) fn deaf(label: &Arc<str>) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::Unsupported).with_delivery(Delivery::NotSent)
}

/// What the client tells of the servers of the cluster is nothing that it should.
#[cfg(feature = "cluster")]
pub(crate) fn not_a_cluster(label: &Arc<str>) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::Protocol)
        .with_source("the client does not tell where the masters of the cluster are")
}

/// The runtime that was to make the connection ended meanwhile.
pub(crate) fn runtime_ended(label: &Arc<str>) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::Closed).with_delivery(Delivery::NotSent)
}

/// The kind of an error; `broken` is what a connection means that is not, or no longer, there.
fn kind(error: &RedisError, broken: FailureKind) -> FailureKind {
    match error.kind() {
        _ if error.is_timeout() => FailureKind::TimedOut,
        // A master of a cluster that there is no connection to.
        #[cfg(feature = "cluster")]
        ErrorKind::ClusterConnectionNotFound => broken,
        ErrorKind::Io => broken,
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => FailureKind::Protocol,
        ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::AuthenticationFailed => {
            FailureKind::Rejected
        }
        ErrorKind::RESP3NotSupported => FailureKind::Unsupported,
        _ => FailureKind::Other,
    }
}

fn source(error: RedisError) -> Box<dyn Error + Send + Sync> {
    if error.code().is_some() { Box::new(ServerSaid(error)) } else { Box::new(error) }
}

/// The words of the server, which the library paraphrases.
#[derive(Debug)]
struct ServerSaid(RedisError);

impl fmt::Display for ServerSaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.0.code().unwrap_or_default();
        if code == "WRONGTYPE" {
            f.write_str("the resource is the name of a key of another type: ")?;
        }
        f.write_str(code)?;
        match self.0.detail() {
            Some(details) => write!(f, " {details}"),
            None => Ok(()),
        }
    }
}

impl Error for ServerSaid {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use redis::make_extension_error;

    use super::*;

    fn io(kind: io::ErrorKind) -> Cause {
        Cause::Redis(io::Error::from(kind).into())
    }

    fn parse() -> Cause {
        Cause::Redis(redis::parse_redis_value(b"HTTP/1.1 400\r\n").unwrap_err())
    }

    #[test]
    fn a_command_may_have_been_carried_out_unless_the_server_said_no() {
        let label = Arc::from("n");
        for (trouble, kind) in [
            (Cause::Late(Duration::ZERO), FailureKind::TimedOut),
            (io(io::ErrorKind::TimedOut), FailureKind::TimedOut),
            (io(io::ErrorKind::BrokenPipe), FailureKind::Closed),
            (io(io::ErrorKind::ConnectionReset), FailureKind::Closed),
            (parse(), FailureKind::Protocol),
        ] {
            let error = NodeError::from(trouble.of_command(&label));
            assert_eq!(error.kind(), kind, "{error}");
            assert_eq!(error.delivery(), Delivery::Unknown, "{error}");
        }
        let refused = Cause::Redis(make_extension_error("OOM".into(), None)).of_command(&label);
        let refused = NodeError::from(refused);
        assert_eq!(refused.kind(), FailureKind::Rejected);
        assert_eq!(refused.delivery(), Delivery::Refused);
    }

    #[test]
    fn nothing_is_sent_before_there_is_a_connection() {
        let label = Arc::from("n");
        for (trouble, kind) in [
            (Cause::Late(Duration::ZERO), FailureKind::TimedOut),
            (io(io::ErrorKind::ConnectionRefused), FailureKind::Unreachable),
            (io(io::ErrorKind::BrokenPipe), FailureKind::Unreachable),
            (parse(), FailureKind::Protocol),
        ] {
            let error = trouble.of_connecting(&label, FailureKind::Unreachable);
            assert_eq!(error.kind(), kind, "{error}");
            assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
        }
    }

    #[test]
    fn a_key_of_another_type_is_named_as_such() {
        let error = make_extension_error("WRONGTYPE".into(), Some("wrong kind of value".into()));
        assert_eq!(
            NodeError::from(Cause::Redis(error).of_command(&Arc::from("n"))).to_string(),
            "n rejected the request: the resource is the name of a key of another type: \
             WRONGTYPE wrong kind of value"
        );
    }
}
