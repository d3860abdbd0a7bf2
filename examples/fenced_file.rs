//! A value in a shared folder that refuses late writers: each version is a file of its own, named by
//! the fencing token of who wrote it, and the largest number counts.
//!
//! What it shows, and what a file system can and cannot do in one step, is explained in
//! `docs/fencing.md`.
//!
//! `cargo run --example fenced_file`

use std::{
    error::Error,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use redlock_testkit::MemoryNode;
use redlocks::{Fence, Redlock, Renewal, Stale};

/// A folder with files `<fence>.holder`, which say that this holder has begun, and
/// `<fence>.value`, which he has written.
///
/// A file system renames in one step, but does not compare and rename in one. So nothing is
/// compared: a late writer renames to a name that nobody looks for any more.
pub(crate) struct Versions {
    folder: PathBuf,
}

impl Versions {
    pub(crate) fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// What stands, for readers who write nothing from it.
    pub(crate) fn read(&self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let Some(newest) = self.largest(&[VALUE])? else { return Ok(None) };
            match fs::read(self.path(newest, VALUE)) {
                Ok(value) => return Ok(Some(value)),
                // Tidied away in between, so there is a newer one.
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What stands, for the holder with this fence to go on from: he shows it before he reads. An
    /// earlier one either has written by now, and is read here, or is told that he came too late.
    pub(crate) fn enter(&self, fence: Fence) -> io::Result<Result<Option<Vec<u8>>, Stale>> {
        self.announce(fence)?;
        match self.check(fence)? {
            Ok(()) => self.read().map(Ok),
            Err(stale) => Ok(Err(stale)),
        }
    }

    /// Makes this value the one that stands.
    ///
    /// Refused if a later holder has begun. Is the writer paused between the two looks, for longer
    /// than his lease, then readers may have seen his value until the next holder wrote.
    pub(crate) fn write(&self, fence: Fence, value: &[u8]) -> io::Result<Result<(), Stale>> {
        if let Err(stale) = self.check(fence)? {
            return Ok(Err(stale));
        }
        match self.put(fence, value) {
            // A later holder has tidied it away before it was finished: that is looked for next.
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
            put => put?,
        }
        let decided = self.check(fence)?;
        if decided.is_ok() {
            self.tidy(fence)?;
        }
        Ok(decided)
    }

    /// The sign that this holder has begun, on the disk when it returns.
    pub(crate) fn announce(&self, fence: Fence) -> io::Result<()> {
        File::create(self.path(fence, HOLDER))?.sync_all()?;
        sync(&self.folder)
    }

    /// A version, whole or not at all, and on the disk when it returns.
    pub(crate) fn put(&self, fence: Fence, value: &[u8]) -> io::Result<()> {
        let unfinished = self.path(fence, "unfinished");
        let mut file = File::create(&unfinished)?;
        file.write_all(value)?;
        file.sync_all()?;
        fs::rename(unfinished, self.path(fence, VALUE))?;
        sync(&self.folder)
    }

    /// Whether a later holder has begun.
    pub(crate) fn check(&self, fence: Fence) -> io::Result<Result<(), Stale>> {
        let seen = self.largest(&[HOLDER, VALUE])?.unwrap_or_default();
        Ok(if seen > fence { Err(Stale::new(fence, seen)) } else { Ok(()) })
    }

    /// Removes what this holder's version has replaced.
    fn tidy(&self, fence: Fence) -> io::Result<()> {
        for name in self.names()? {
            if name.1 < fence {
                // Somebody else may be tidying.
                let _ = fs::remove_file(self.folder.join(name.0));
            }
        }
        Ok(())
    }

    fn largest(&self, kinds: &[&str]) -> io::Result<Option<Fence>> {
        let counts = |name: &str| kinds.iter().any(|kind| name.ends_with(kind));
        let names = self.names()?.into_iter();
        Ok(names.filter(|(name, _)| counts(name)).map(|(_, fence)| fence).max())
    }

    /// The files whose names begin with a fence, and that fence.
    fn names(&self) -> io::Result<Vec<(String, Fence)>> {
        let mut names = Vec::new();
        for file in fs::read_dir(&self.folder)? {
            let Ok(name) = file?.file_name().into_string() else { continue };
            let number = name.split_once('.').and_then(|(number, _)| number.parse().ok());
            if let Some(number) = number {
                names.push((name, Fence::new(number)));
            }
        }
        Ok(names)
    }

    fn path(&self, fence: Fence, kind: &str) -> PathBuf {
        self.folder.join(format!("{:016}.{kind}", fence.get()))
    }
}

const HOLDER: &str = "holder";
const VALUE: &str = "value";

/// Names are on the disk once their folder is.
fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// In tokio's paused time, so that the ten seconds of alice's pause take none.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("redlocks-fenced-file-{}", std::process::id()));
    let told = story(&Versions::open(&folder)?).await;
    fs::remove_dir_all(&folder)?;
    told
}

async fn story(report: &Versions) -> Result<(), Box<dyn Error>> {
    let nodes = MemoryNode::cluster(3);
    let client = || Redlock::builder().nodes(nodes.clone()).fencing(true).build();
    let (alice, bob) = (client()?, client()?);

    // Not renewed: nor is the lock of a process that does not run.
    let lock = alice.lock("report").ttl(Duration::from_secs(10)).renewal(Renewal::off());
    let hers = lock.acquire().await?;
    let her_fence = hers.fencing_token().ok_or("a fenced lock has a number")?;
    report.enter(her_fence)??;
    report.write(her_fence, b"alice's first page")??;
    hers.check()?;
    println!("alice holds the lock with fence {her_fence}, has just looked, and is paused");

    let his = bob.lock("report").acquire_within(Duration::from_secs(60)).await?;
    let his_fence = his.fencing_token().ok_or("a fenced lock has a number")?;
    println!("ten seconds later bob gets it, with fence {his_fence}, and writes");
    let mut pages = report.enter(his_fence)??.unwrap_or_default();
    pages.extend_from_slice(b", bob's second page");
    report.write(his_fence, &pages)??;

    println!("alice goes on where she was, with what she was about to write");
    let late = report.write(her_fence, b"alice's first page, improved")?;
    println!("    refused: {}", late.err().ok_or("the next holder's write was undone")?);
    println!("what stands: {}", String::from_utf8(report.read()?.unwrap_or_default())?);
    his.release().await;
    Ok(())
}
