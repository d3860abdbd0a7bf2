//! A service that has the resource in memory: `Fenced`.

use redlocks::{Fence, Fenced, Stale};

use crate::late_write::{SEEDS, Store, late_write};

impl Store for Fenced<String> {
    fn write(&mut self, text: &str, fence: Fence) -> Result<(), Stale> {
        *self.admit(fence)? = text.to_owned();
        Ok(())
    }

    fn read(&mut self) -> String {
        self.get().clone()
    }
}

struct Unchecked(String);

impl Store for Unchecked {
    fn write(&mut self, text: &str, _: Fence) -> Result<(), Stale> {
        self.0 = text.to_owned();
        Ok(())
    }

    fn read(&mut self) -> String {
        self.0.clone()
    }
}

#[test]
fn a_late_write_is_refused() {
    for seed in SEEDS {
        late_write(seed, Fenced::new(String::new())).assert_refused();
    }
}

#[test]
fn without_the_check_the_late_write_wins() {
    for seed in SEEDS {
        late_write(seed, Unchecked(String::new())).assert_lost();
    }
}

/// Two holders add one. The next has read, with or without showing his fence, when the late one
/// comes. What the late one is told, and the sum.
fn the_next_has_read_when_the_late_one_writes(shows: bool) -> (Result<(), Stale>, u32) {
    let (lates, nexts) = (Fence::new(33), Fence::new(34));
    let mut sum = Fenced::new(0);
    let read = if shows { *sum.admit(nexts).unwrap() } else { *sum.get() };
    let late = sum.admit(lates).map(|sum| *sum += 1);
    *sum.admit(nexts).unwrap() = read + 1;
    (late, *sum.get())
}

/// Why the documentation says to show the fence before reading.
#[test]
fn a_fence_that_is_shown_only_with_the_write_lets_an_update_get_lost() {
    let stale = Stale::new(Fence::new(33), Fence::new(34));
    assert_eq!(the_next_has_read_when_the_late_one_writes(true), (Err(stale), 1));
    // Both were told that they have added.
    assert_eq!(the_next_has_read_when_the_late_one_writes(false), (Ok(()), 1));
}
