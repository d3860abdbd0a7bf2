use crate::{Redlock, StartError};

/// [`connect`](redlock_redis_rs::connect), for code that is not async.
///
/// # Errors
///
/// Those of [`connect`](redlock_redis_rs::connect), and [`StartError::Thread`].
pub fn connect<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Redlock, StartError> {
    Redlock::over(redlock_redis_rs::connect(urls)?)
}
