//! Who has worked how much: [`worked`] and [`servers_worked`].

use std::time::Duration;

use redlock_testkit::server::Server;
use rustix::time::{ClockId, clock_gettime};

use crate::Failure;

/// The processor time that all threads of this process have used.
pub(crate) fn worked() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // It begins at zero and only grows.
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// The processor time that these servers have used since they were started.
pub(crate) fn servers_worked(servers: &[Server]) -> Result<Duration, Failure> {
    let mut sum = Duration::ZERO;
    for server in servers {
        let info: String = server.cmd(&["INFO", "cpu"])?;
        for field in ["used_cpu_user", "used_cpu_sys"] {
            let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
            let seconds = line.ok_or("a server does not tell what it has worked")?;
            sum += Duration::try_from_secs_f64(seconds.trim().parse()?)?;
        }
    }
    Ok(sum)
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
