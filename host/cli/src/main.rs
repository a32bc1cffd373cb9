//! The loadhost command: where settings, engine, coordinator and outputs are put together.

#[macro_use]
mod say;

mod args;
mod broker;
mod ceilings;
mod client;
mod commands;
mod config;
mod exit_code;
mod failure;
#[cfg(test)]
#[path = "../../web/src/export/fixture/run.rs"]
mod fixture;
mod load_shape;
mod local_fleet;
mod ops;
mod output;
mod plan;
mod progress;
mod scenario_file;
mod sdk;
mod session;
mod signals;
mod site;
mod telemetry;
mod workbench;

use std::process::ExitCode as ProcessCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::{Cli, Cmd};
use crate::exit_code::ExitCode;
use crate::failure::Outcome;

fn main() -> ProcessCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for =
                matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // Where it goes, and whether in colours, is clap's to know.
            let _ = error.print();
            return if asked_for { ExitCode::Ok.into() } else { ExitCode::Configuration.into() };
        }
    };
    let outcome = dispatch(cli.command);
    telemetry::finish();
    match outcome {
        Ok(code) => code.into(),
        Err(failure) => {
            say!("{failure}");
            failure.code.into()
        }
    }
}

fn dispatch(command: Cmd) -> Outcome {
    match command {
        Cmd::Run(args) => commands::run::run(args),
        Cmd::Master(args) => commands::master::master(args),
        Cmd::Worker(settings) => commands::worker::worker(settings),
        Cmd::Trace(args) => commands::trace::trace(args),
        Cmd::Push(args) => commands::push::push(args),
        Cmd::Start(args) => commands::start::start(args),
        Cmd::Change(args) => commands::change::change(args),
        Cmd::Stop(args) => commands::stop::stop(args),
        Cmd::Drain(args) => commands::drain::drain(args),
        Cmd::Status(args) => commands::status::status(args),
        Cmd::Health(args) => commands::health::health(args),
        Cmd::Runs(args) => commands::runs::runs(args),
        Cmd::Report(args) => commands::report::report(args),
        Cmd::User(command) => commands::user::user(command),
        Cmd::Cluster(command) => commands::cluster::cluster(command),
        Cmd::Key(command) => commands::key::key(command),
        Cmd::NatsConfig(args) => commands::nats_config::nats_config(args),
        Cmd::New(args) => commands::new::new(args),
        Cmd::Build(args) => commands::build::build(args),
        Cmd::Check(args) => commands::check::check(args),
        Cmd::CheckInside { file } => commands::check::check_inside(&file),
        Cmd::CompileInside { recipe } => scenario_file::compile_inside(&recipe),
        Cmd::DemoShop(settings) => commands::demo_shop::demo_shop(settings),
        Cmd::Config(settings) => commands::config::config(settings),
        Cmd::Completions { shell } => commands::completions::completions(shell),
        Cmd::Man { folder } => commands::man::man(&folder),
        Cmd::Help { topic } => commands::help::help(topic.as_deref()),
    }
}
