use std::{fmt, future::Future, sync::Arc};

use redlock_core::NodeError;

use crate::Command;

/// A way to one server: sends a command once, and waits for its answer.
///
/// What an adapter writes for its client library; what is said on it, [`acquire`](crate::acquire)
/// and its sisters know.
pub trait Exchange: Send {
    /// The name of the node in errors.
    fn label(&self) -> &Arc<str>;

    /// Sends the command, at most once, and waits for the answer as long as the node allows.
    ///
    /// # Errors
    ///
    /// [`Trouble`] if there is no answer, or the answer is an error.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the command may or may not be carried out; if it is, then before any command that
    /// is sent later for the same resource and token.
    fn send(&mut self, command: Command<'_>)
    -> impl Future<Output = Result<Reply, Trouble>> + Send;

    /// Sends two commands, the second right behind the first, on the same connection and without
    /// waiting for the first answer.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send), for each.
    fn send_both(
        &mut self,
        first: Command<'_>,
        second: Command<'_>,
    ) -> impl Future<Output = Both> + Send;
}

/// The answers to two commands.
pub type Both = (Result<Reply, Trouble>, Result<Reply, Trouble>);

/// What a server answers, as far as a lock can meet it. Its `Debug` tells the length of a value only:
/// it is somebody's token.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing there.
    Nil,
    /// `OK`.
    Okay,
    /// A number.
    Int(i64),
    /// A value and a number, in an array of two.
    Value(Vec<u8>, i64),
    /// Any other array of values and numbers.
    List(Vec<Item>),
    /// Anything else: no answer to what was asked.
    Odd,
}

/// One of several things that a server answers.
#[derive(Clone, PartialEq, Eq)]
pub enum Item {
    /// A number.
    Int(i64),
    /// A value.
    Value(Vec<u8>),
}

impl Reply {
    /// What an array of these means; `None` among them is whatever is neither value nor number.
    #[must_use]
    pub fn of_array(items: impl IntoIterator<Item = Option<Item>>) -> Self {
        let mut items = items.into_iter();
        let first = (items.next(), items.next(), items.next());
        // The answer to most scripts, which needs no list.
        if let (Some(Some(Item::Value(value))), Some(Some(Item::Int(number))), None) = first {
            return Self::Value(value, number);
        }
        let (first, second, third) = first;
        let all = [first, second, third].into_iter().flatten().chain(items);
        all.collect::<Option<_>>().map_or(Self::Odd, Self::List)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("Nil"),
            Self::Okay => f.write_str("Okay"),
            Self::Int(number) => write!(f, "Int({number})"),
            Self::Value(value, left) => write!(f, "Value({} bytes, {left})", value.len()),
            Self::List(items) => f.debug_tuple("List").field(items).finish(),
            Self::Odd => f.write_str("Odd"),
        }
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => write!(f, "Int({number})"),
            Self::Value(value) => write!(f, "Value({} bytes)", value.len()),
        }
    }
}

/// Why a command has no answer: an error of the server, or none that came.
#[derive(Debug)]
pub struct Trouble {
    code: Option<Box<str>>,
    error: NodeError,
}

impl Trouble {
    /// The server answered with an error of this code, the first word of its text.
    #[must_use]
    pub fn said(code: impl Into<Box<str>>, error: NodeError) -> Self {
        Self { code: Some(code.into()), error }
    }

    /// The code of the error that the server answered with, if it did.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }
}

/// No answer came that the server gave.
impl From<NodeError> for Trouble {
    fn from(error: NodeError) -> Self {
        Self { code: None, error }
    }
}

impl From<Trouble> for NodeError {
    fn from(trouble: Trouble) -> Self {
        trouble.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_not_shown() {
        let shown = format!("{:?}", Reply::Value(b"token".to_vec(), 7));
        assert_eq!(shown, "Value(5 bytes, 7)");
        let list = Reply::List(vec![Item::Int(7), Item::Value(b"token".to_vec())]);
        assert_eq!(format!("{list:?}"), "List([Int(7), Value(5 bytes)])");
    }

    #[test]
    fn an_array_is_a_pair_a_list_or_odd() {
        let (number, value) = (|| Some(Item::Int(7)), || Some(Item::Value(b"v".to_vec())));
        assert_eq!(Reply::of_array([value(), number()]), Reply::Value(b"v".to_vec(), 7));
        let both = vec![Item::Int(7), Item::Value(b"v".to_vec())];
        assert_eq!(Reply::of_array([number(), value()]), Reply::List(both));
        assert_eq!(Reply::of_array([]), Reply::List(vec![]));
        assert_eq!(Reply::of_array([number(), None]), Reply::Odd);
    }
}
