//! Between the words of `redlock-wire` and those of the library: [`packed`] and [`reply`].

use redis::{Cmd, RedisWrite, Value};
use redlock_wire::{Command, Item, Reply, Word};

/// A command as the library sends it.
pub(crate) fn packed(command: Command<'_>) -> Cmd {
    let (mut count, mut size) = (1, command.name().len());
    command.for_each_word(|word| {
        count += 1;
        size += match word {
            Word::Bytes(bytes) => bytes.len(),
            Word::Number(_) => MOST_DIGITS,
        };
    });
    let mut packed = Cmd::with_capacity(count, size);
    packed.write_arg(command.name().as_bytes());
    command.for_each_word(|word| match word {
        Word::Bytes(bytes) => packed.write_arg(bytes),
        Word::Number(number) => {
            packed.arg(number);
        }
    });
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
