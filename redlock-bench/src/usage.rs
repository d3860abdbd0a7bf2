//! What this process has worked: [`worked`].

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The processor time that all threads of this process have used.
pub(crate) fn worked() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // It begins at zero and only grows.
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_counts() {
        let before = worked();
        let mut sum = 0_u64;
        while worked().saturating_sub(before) < Duration::from_millis(1) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(sum > 0);
    }
}
