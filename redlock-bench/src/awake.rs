//! Processors that do not fall asleep: [`Awake`].

use std::{
    env,
    hint::black_box,
    io,
    process::{Child, Command, Stdio},
    thread,
};

use crate::Failure;

/// One process for each processor that does nothing else than calculate, whenever nobody else wants
/// to, until this is dropped.
///
/// To wake up an idle processor takes a virtual machine longer than everything that is measured
/// here, and how often that happens depends on small things that have nothing to do with it. On a
/// machine that has something to do, processors hardly sleep.
pub(crate) struct Awake(Vec<Child>);

impl Awake {
    pub(crate) fn keep() -> Result<Self, Failure> {
        let mut awake = Self(Vec::new());
        for _ in 0..thread::available_parallelism()?.get() {
            // It ends when its input does: also if this process is killed.
            let child = Command::new(env::current_exe()?).arg("spin").stdin(Stdio::piped()).spawn();
            awake.0.push(child?);
        }
        Ok(awake)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Of one that has ended already there is nothing left to end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What one of the processes does.
pub(crate) fn spin() -> Result<(), Failure> {
    rustix::process::nice(LOWEST)?;
    let input = thread::spawn(|| io::copy(&mut io::stdin(), &mut io::sink()));
    let mut number = 0_u64;
    while !input.is_finished() {
        for _ in 0..1_000_000 {
            number = black_box(number.wrapping_add(1));
        }
    }
    Ok(())
}

const LOWEST: i32 = 19;
