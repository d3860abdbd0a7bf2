use std::fmt;

/// A fencing token: a number that grows with every holder of a resource.
///
/// What the lock protects can compare it: whoever comes with a smaller number than the largest it
/// has seen was a holder once and is none now, whatever he believes. It fits a signed 64-bit
/// column, and a double without loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(u64);

impl Fence {
    /// The largest there can be, 2⁵³ − 1: nodes that count in doubles are exact up to there.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The fence of this number; a larger one than [`MAX`](Self::MAX) becomes that.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        if number > Self::MAX.0 { Self::MAX } else { Self(number) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The one before.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Fence> for u64 {
    fn from(fence: Fence) -> Self {
        fence.0
    }
}

/// For signed columns of a database, which it fits.
impl From<Fence> for i64 {
    fn from(fence: Fence) -> Self {
        // At most 2⁵³ − 1 by construction.
        Self::try_from(fence.0).unwrap_or(Self::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_where_doubles_are_exact() {
        assert_eq!(Fence::new(u64::MAX), Fence::MAX);
        assert_eq!(Fence::MAX.get() as f64 as u64, Fence::MAX.get());
        assert_eq!(i64::from(Fence::MAX), 9_007_199_254_740_991);
        assert_eq!(u64::from(Fence::new(7)), 7);
        assert_eq!(Fence::default().before(), Fence::default());
        assert_eq!(Fence::new(7).before(), Fence::new(6));
        assert_eq!(Fence::new(7).to_string(), "7");
    }
}
