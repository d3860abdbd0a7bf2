//! Benchmarks of redlocks. What each measures, and how, is told in the README beside this crate.

mod client;
mod clock;
mod commands;
mod contention;
mod cost;
mod handoff;
mod hold;
mod lane;
mod load;
mod machine;
mod monitor;
mod pairs;
mod queue;
mod report;
mod samples;
mod series;
mod topology;
mod usage;
mod worker;

use std::{error::Error, num::NonZeroUsize, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::report::Report;

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
}

#[derive(Debug, Subcommand)]
enum What {
    /// An uncontended acquire and release, one at a time, beside the same by hand.
    Latency,
    /// The same of 64 and 512 tasks at once: pairs per second.
    Throughput,
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
        What::Latency => pairs::latency,
        What::Throughput => pairs::throughput,
        What::Handoff => handoff::measure,
        What::Contention => contention::measure,
        What::Queue => queue::measure,
        What::Cost => cost::measure,
        What::Worker => return worker::serve(cli.settings.threads).map(|()| ExitCode::SUCCESS),
    };
    let report: Report = measure(cli.settings)?;
    print!("{}", report.markdown());
    if let Some(file) = &cli.json {
        std::fs::write(file, report.json()?)
            .map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
    }
    // A goal that is missed is a figure; two holders at one time are a fault.
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
