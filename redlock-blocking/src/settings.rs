//! Setters of what is around a value of the async API, by the names that they have there.

macro_rules! settings {
    ($of:ident $(<$borrowed:lifetime>)? around $inner:ident: $($set:ident: $value:ty),*) => {
        impl $of $(<$borrowed>)? {
            $(
                #[doc = concat!("As [`", stringify!($of), "::", stringify!($set), "`](redlock_core::", stringify!($of), "::", stringify!($set), ").")]
                #[must_use]
                pub fn $set(self, $set: $value) -> Self {
                    Self { $inner: self.$inner.$set($set), thread: self.thread }
                }
            )*
        }
    };
}
pub(crate) use settings;
