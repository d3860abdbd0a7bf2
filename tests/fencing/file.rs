//! The versions of the example `fenced_file`, in a folder of their own.

use std::{
    env, fs,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use redlocks::{Fence, Stale};

use crate::{
    fenced_file::Versions,
    late_write::{SEEDS, Store, late_write},
};

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("redlocks-fencing-{}-{number}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn versions(&self) -> Versions {
        Versions::open(&self.0).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let files = fs::read_dir(&self.0).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Store for Folder {
    fn write(&mut self, text: &str, fence: Fence) -> Result<(), Stale> {
        self.versions().write(fence, text.as_bytes()).unwrap()
    }

    fn read(&mut self) -> String {
        String::from_utf8(self.versions().read().unwrap().unwrap()).unwrap()
    }
}

/// Written beside and renamed, as whole files are, but under one name for everybody.
struct OneName(Folder);

impl Store for OneName {
    fn write(&mut self, text: &str, _: Fence) -> Result<(), Stale> {
        let unfinished = self.0.0.join("unfinished");
        fs::write(&unfinished, text).unwrap();
        fs::rename(unfinished, self.0.0.join("value")).unwrap();
        Ok(())
    }

    fn read(&mut self) -> String {
        fs::read_to_string(self.0.0.join("value")).unwrap()
    }
}

#[test]
fn a_late_version_is_refused() {
    for seed in SEEDS {
        late_write(seed, Folder::new()).assert_refused();
    }
}

#[test]
fn under_one_name_the_late_write_wins() {
    for seed in SEEDS {
        late_write(seed, OneName(Folder::new())).assert_lost();
    }
}

/// In which a late holder's two steps and the next holder's two can come.
const ORDERS: [[Who; 4]; 6] = {
    use Who::{Late as L, Next as N};
    [[L, L, N, N], [L, N, L, N], [L, N, N, L], [N, L, L, N], [N, L, N, L], [N, N, L, L]]
};

#[derive(Clone, Copy, Debug)]
enum Who {
    Late,
    Next,
}

/// What the late holder is told of his write, and what the next one goes on from.
fn in_this_order(order: [Who; 4], announces: bool) -> (Result<(), Stale>, Option<Vec<u8>>) {
    let folder = Folder::new();
    let (lates, nexts) = (Fence::new(33), Fence::new(34));
    let (late, next) = (folder.versions(), folder.versions());
    let (mut told, mut read) = (None, None);
    let (mut lates_step, mut nexts_step) = (0, 0);
    for who in order {
        match who {
            Who::Late if lates_step == 0 => late.put(lates, b"late").unwrap(),
            Who::Late => told = Some(late.check(lates).unwrap()),
            Who::Next if nexts_step == 0 && announces => next.announce(nexts).unwrap(),
            Who::Next if nexts_step == 0 => {}
            Who::Next => read = Some(next.read().unwrap()),
        }
        match who {
            Who::Late => lates_step += 1,
            Who::Next => nexts_step += 1,
        }
    }
    (told.unwrap(), read.unwrap())
}

/// Paused wherever it may be: who is told that he has written is read by the next holder.
#[test]
fn no_version_that_was_accepted_is_overlooked_by_the_next_holder() {
    for order in ORDERS {
        let (told, read) = in_this_order(order, true);
        assert!(told.is_err() || read.is_some(), "{order:?}");
    }
}

#[test]
fn it_is_overlooked_if_the_next_holder_does_not_announce_himself() {
    let overlooked = |order| {
        let (told, read) = in_this_order(order, false);
        told.is_ok() && read.is_none()
    };
    assert!(ORDERS.into_iter().any(overlooked));
}

/// Holders that nothing keeps apart add their numbers to what they find, all at once: the worst lock
/// that there can be. Who is told that he has written is in all that comes after him.
#[test]
fn nothing_that_was_accepted_is_lost_however_many_hold_at_once() {
    let folder = Folder::new();
    let last = AtomicU32::new(0);
    let hold = || -> Option<u32> {
        let number = last.fetch_add(1, Ordering::Relaxed) + 1;
        let (versions, fence) = (folder.versions(), Fence::new(number.into()));
        let found = versions.enter(fence).unwrap().ok()?.unwrap_or_default();
        let more = [&*found, format!("{number} ").as_bytes()].concat();
        versions.write(fence, &more).unwrap().ok()?;
        Some(number)
    };
    let accepted: Vec<u32> = thread::scope(|scope| {
        let holders: Vec<_> = (0..4).map(|_| scope.spawn(|| [(); 40].map(|()| hold()))).collect();
        holders.into_iter().flat_map(|holder| holder.join().unwrap()).flatten().collect()
    });
    let stands = String::from_utf8(folder.versions().read().unwrap().unwrap()).unwrap();
    let stands: Vec<u32> = stands.split_whitespace().map(|n| n.parse().unwrap()).collect();
    assert!(!accepted.is_empty(), "the last one meets nobody");
    assert!(stands.is_sorted(), "{stands:?}");
    for number in accepted {
        assert!(stands.contains(&number), "{number} is lost: {stands:?}");
    }
}

#[test]
fn one_holder_writes_as_often_as_he_likes_and_leaves_one_version() {
    let folder = Folder::new();
    let versions = folder.versions();
    for (fence, text) in [(33, "a"), (34, "b"), (34, "c")] {
        versions.enter(Fence::new(fence)).unwrap().unwrap();
        versions.write(Fence::new(fence), text.as_bytes()).unwrap().unwrap();
    }
    assert_eq!(versions.read().unwrap().unwrap(), b"c");
    assert_eq!(folder.names(), ["0000000000000034.holder", "0000000000000034.value"]);
    let stale = versions.enter(Fence::new(33)).unwrap();
    assert_eq!(stale, Err(Stale::new(Fence::new(33), Fence::new(34))));
    assert_eq!(versions.read().unwrap().unwrap(), b"c", "nobody reads what came late");
}
