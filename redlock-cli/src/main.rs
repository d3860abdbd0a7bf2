#![doc = include_str!("../README.md")]

mod args;
mod doctor;
mod exit;
mod lock;
mod nodes;
mod operate;
#[cfg(unix)]
mod run;
mod signals;
mod span;
mod token;
mod words;

use std::process::ExitCode;

use clap::Parser;

use self::{
    args::{Cli, Command, Common},
    exit::{Exit, Outcome, tell},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Cli { common, command } = Cli::parse();
    let exit = match &command {
        Command::Lock(args) => match lock::lock(&common, args).await {
            // It has been told already, because it must be known whether it could be.
            Ok(outcome) => outcome.exit,
            Err(outcome) => finish(&common, Err(outcome)),
        },
        Command::Unlock(args) => finish(&common, lock::unlock(&common, args).await),
        Command::Extend(args) => finish(&common, lock::extend(&common, args).await),
        #[cfg(unix)]
        Command::Run(args) => {
            let (Ok(outcome) | Err(outcome)) = run::run(&common, args).await;
            outcome.write_aside(common.json);
            outcome.exit
        }
        Command::Status(args) => finish(&common, operate::status(&common, args).await),
        Command::List(args) => finish(&common, operate::list(&common, args).await),
        Command::Reset(args) => finish(&common, operate::reset(&common, args).await),
        Command::Doctor(args) => finish(&common, doctor::doctor(&common, args).await),
    };
    ExitCode::from(exit.0)
}

/// Tells what came of it.
fn finish(common: &Common, done: Result<Outcome, Outcome>) -> Exit {
    let (Ok(outcome) | Err(outcome)) = done;
    match outcome.write(common.json) {
        Ok(()) => outcome.exit,
        Err(error) => {
            tell(format_args!("could not write what came of it: {error}"));
            // That it was not done is still worth knowing.
            if outcome.exit == Exit::DONE { Exit::FAILED } else { outcome.exit }
        }
    }
}
