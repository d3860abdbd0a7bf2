//! Who of a process group is alive, as Linux tells it: [`Members`].

use std::fs;

use rustix::{io::Errno, process::Pid};

/// The processes of a group.
#[derive(Debug)]
pub(super) struct Members {
    group: Pid,
    /// Whoever was alive last time, who is asked first: to look at all processes takes a while.
    alive: Option<String>,
}

/// How it stands with a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is in another group, or not there any more.
    NoMember,
    /// It has ended, and somebody has yet to wait for it.
    Ended,
    /// It is there, or that cannot be found out.
    Alive,
}

impl Members {
    pub(super) const fn of(group: Pid) -> Self {
        Self { group, alive: None }
    }

    /// Whether all of them, of whom there are some, have ended and merely wait for a parent that
    /// does not ask. Who has been started meanwhile may have been overlooked.
    pub(super) fn have_ended(&mut self) -> bool {
        if let Some(id) = &self.alive
            && self.standing(id) == Standing::Alive
        {
            return false;
        }
        self.alive = None;
        let Ok(entries) = fs::read_dir("/proc") else { return false };
        if is_something_hidden() {
            return false;
        }
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut has_ended = false;
        for id in names.filter(|name| name.bytes().all(|b| b.is_ascii_digit())) {
            match self.standing(&id) {
                Standing::NoMember => {}
                Standing::Ended => has_ended = true,
                Standing::Alive => {
                    self.alive = Some(id);
                    return false;
                }
            }
        }
        // Where none is seen, these are not the processes among which the group is.
        has_ended
    }

    fn standing(&self, id: &str) -> Standing {
        match fs::read(format!("/proc/{id}/stat")) {
            Ok(stat) => standing(&String::from_utf8_lossy(&stat), self.group),
            Err(error) => match Errno::from_io_error(&error) {
                // It went away meanwhile.
                Some(Errno::NOENT | Errno::SRCH) => Standing::NoMember,
                _ => Standing::Alive,
            },
        }
    }
}

/// Whether there may be processes that this one does not see, such as those of other users.
fn is_something_hidden() -> bool {
    fs::read_to_string("/proc/self/mountinfo").map_or(true, |mounts| mounts.contains("hidepid="))
}

/// How it stands with a process of which Linux says this: see `/proc/pid/stat` in proc(5).
fn standing(stat: &str, group: Pid) -> Standing {
    // What is before is its name, which may have anything in it.
    let Some((_, fields)) = stat.rsplit_once(") ") else { return Standing::Alive };
    let fields: Vec<_> = fields.split(' ').collect();
    let number = |place: usize| fields.get(place)?.parse::<i32>().ok();
    match (fields.first(), number(GROUP), number(THREADS)) {
        (_, Some(other), _) if other != group.as_raw_pid() => Standing::NoMember,
        // Its first thread may have ended before the others.
        (Some(&("Z" | "X")), Some(_), Some(..=1)) => Standing::Ended,
        _ => Standing::Alive,
    }
}

/// Places behind the name.
const GROUP: usize = 2;
const THREADS: usize = 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_ended_with_all_threads_is_not_alive() {
        let group = Pid::from_raw(7).unwrap();
        let stat = |name: &str, state: &str, group: i32, threads: i32| {
            format!("9 ({name}) {state} 1 {group} 1 0 -1 4 0 0 0 0 0 0 0 0 20 0 {threads} 0 5 0\n")
        };
        for (text, expected) in [
            (stat("sh", "S", 7, 1), Standing::Alive),
            (stat("sh", "Z", 7, 1), Standing::Ended),
            (stat("sh", "X", 7, 0), Standing::Ended),
            (stat("sh", "Z", 7, 2), Standing::Alive),
            (stat("sh", "t", 7, 1), Standing::Alive),
            (stat("a) Z 1 8 1", "S", 7, 1), Standing::Alive),
            (stat("sh", "S", 8, 1), Standing::NoMember),
            (stat("sh", "Z", 8, 1), Standing::NoMember),
            ("odd".to_owned(), Standing::Alive),
            (String::new(), Standing::Alive),
        ] {
            assert_eq!(standing(&text, group), expected, "{text}");
        }
    }

    #[test]
    fn this_process_is_alive() {
        let mut members = Members::of(rustix::process::getpgrp());
        assert!(!members.have_ended());
        // And is found again.
        assert_eq!(members.alive.is_some(), !is_something_hidden());
        assert!(!members.have_ended());
    }
}
