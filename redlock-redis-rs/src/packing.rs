//! Between the words of `redlock-wire` and those of the library: [`packed`] and [`reply`].

use redis::{Cmd, Value};
use redlock_wire::{Command, Item, Reply, Word};

/// A command as the library sends it.
pub(crate) fn packed(command: Command<'_>) -> Cmd {
    let (count, size) = command.words().fold((1, command.name().len()), |(count, size), word| {
        let more = match word {
            Word::Bytes(bytes) => bytes.len(),
            Word::Number(_) => MOST_DIGITS,
        };
        (count + 1, size + more)
    });
    let mut packed = Cmd::with_capacity(count, size);
    packed.arg(command.name());
    for word in command.words() {
        match word {
            Word::Bytes(bytes) => packed.arg(bytes),
            Word::Number(number) => packed.arg(number),
        };
    }
    packed
}

/// An answer as a lock reads it.
pub(crate) fn reply(value: Value) -> Reply {
    match value {
        Value::Nil => Reply::Nil,
        Value::Okay => Reply::Okay,
        Value::Int(number) => Reply::Int(number),
        Value::Array(items) => Reply::of_array(items.into_iter().map(item)),
        _ => Reply::Odd,
    }
}

fn item(value: Value) -> Option<Item> {
    match value {
        Value::Int(number) => Some(Item::Int(number)),
        Value::BulkString(value) => Some(Item::Value(value)),
        _ => None,
    }
}

/// No number has more.
const MOST_DIGITS: usize = 20;
