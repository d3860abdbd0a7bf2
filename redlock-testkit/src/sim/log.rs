use std::fmt::{self, Write};

/// What happened, as a running hash, and as text if somebody wants to read it.
///
/// The hash is FNV-1a: no keys, no addresses, so it is the same in every process.
#[derive(Debug)]
pub(super) struct Log {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Log {
    pub(super) const fn new() -> Self {
        Self { hash: OFFSET, lines: None }
    }

    pub(super) fn keep(&mut self) {
        self.lines.get_or_insert_default();
    }

    /// Notes numbers; cheap enough for every step.
    pub(super) fn numbers(&mut self, numbers: [u64; 3]) {
        for number in numbers {
            self.mix(number);
        }
    }

    /// Notes text.
    pub(super) fn text(&mut self, millis: f64, what: fmt::Arguments<'_>) {
        // Hashing what is written cannot fail; a value whose `Display` fails is cut short.
        let _ = self.write_fmt(what);
        self.remark(millis, what);
    }

    /// Text that explains, and is not part of what happened.
    pub(super) fn remark(&mut self, millis: f64, what: fmt::Arguments<'_>) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{millis:>12.3} ms  {what}"));
        }
    }

    pub(super) fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    const fn mix(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(PRIME);
        // FNV-1a takes bytes; whole words need their high half brought down to count.
        self.hash ^= self.hash >> 32;
    }
}

impl Write for Log {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
        Ok(())
    }
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;
