//! Benchmarks of redlocks. What each measures, and how, is told in the README beside this crate.

mod all;
mod alloc;
mod awake;
mod client;
mod clock;
mod commands;
mod contention;
mod core;
mod cost;
mod faults;
mod handoff;
mod hold;
mod lane;
mod load;
mod machine;
mod monitor;
mod overview;
mod pairs;
mod plot;
mod queue;
mod report;
mod samples;
mod scale;
mod series;
mod session;
mod topology;
mod usage;
mod versions;
mod worker;

use std::{
    error::Error,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

use crate::{all::Results, awake::Awake};

/// Measures redlocks on servers that it starts and ends itself. Prints Markdown.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    settings: Settings,
    /// Also writes all figures to this file.
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also draws what is compared with redis-rs by hand to this file.
    #[arg(long, global = true, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// What is asked of every benchmark.
#[derive(Clone, Copy, Debug, Args)]
struct Settings {
    /// Some seconds instead of minutes: to see that it runs. The figures are not worth keeping.
    #[arg(long, global = true)]
    quick: bool,
    /// The threads of the runtime of each process that locks; with one it is tokio's runtime of
    /// the current thread.
    #[arg(long, global = true, default_value = "1")]
    threads: NonZeroUsize,
    /// Keeps the processors from falling asleep, by processes that calculate at the lowest priority:
    /// waking up takes a virtual machine longer than what is measured, and comes and goes.
    #[arg(long, global = true)]
    awake: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// All that the table of the project's README is made from: latency and throughput with one
    /// thread and with as many as there are cores, then alloc, faults, core and scale.
    All,
    /// An uncontended acquire and release, one at a time, beside the same by hand.
    Latency,
    /// The same of 64 and 512 tasks at once: pairs per second.
    Throughput,
    /// A pair while one of five servers hangs, or is gone.
    Faults,
    /// How much a pair allocates.
    Alloc,
    /// The lock without a network: beside a plain mutex, and with observers.
    Core,
    /// What grows with the nodes, the locks that are held, and those who wait.
    Scale,
    /// From a release in one process to the acquire of another that waits for it.
    Handoff,
    /// Many processes for one resource: what it costs the servers, and who gets the lock.
    Contention,
    /// A thousand tasks of one process for one resource, beside a plain mutex.
    Queue,
    /// What fencing and quarantine cost beside the plain mode: time, and work of the servers.
    Cost,
    /// A process that another benchmark has started, and tells what to do.
    #[command(hide = true)]
    Worker,
    /// A process that keeps a processor awake.
    #[command(hide = true)]
    Spin,
}

/// Whatever ends a benchmark. It is shown to a person, and nothing is decided by its kind.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("the benchmark failed: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode, Failure> {
    let measure = match cli.what {
        What::All => None,
        What::Latency => Some(pairs::latency as fn(Settings) -> _),
        What::Throughput => Some(pairs::throughput as _),
        What::Faults => Some(faults::measure as _),
        What::Alloc => Some(alloc::measure as _),
        What::Core => Some(core::measure as _),
        What::Scale => Some(scale::measure as _),
        What::Handoff => Some(handoff::measure as _),
        What::Contention => Some(contention::measure as _),
        What::Queue => Some(queue::measure as _),
        What::Cost => Some(cost::measure as _),
        What::Worker => return worker::serve(cli.settings.threads).map(|()| ExitCode::SUCCESS),
        What::Spin => return awake::spin().map(|()| ExitCode::SUCCESS),
    };
    let _awake = cli.settings.awake.then(Awake::keep).transpose()?;
    let results = match measure {
        Some(measure) => Results::of(vec![measure(cli.settings)?]),
        None => all::measure(cli.settings)?,
    };
    print!("{}", results.markdown());
    if let Some(file) = &cli.json {
        write(file, results.json()?)?;
    }
    if let Some(file) = &cli.svg {
        write(file, plot::svg(results.overview()))?;
    }
    // A goal that is missed is a figure; two holders at one time are a fault.
    Ok(if results.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write(file: &Path, text: String) -> Result<(), Failure> {
    let written = fs::write(file, text);
    Ok(written.map_err(|error| format!("{} cannot be written: {error}", file.display()))?)
}
