//! The command `nam`: the daemon and the tools around it.
//!
//! Each command answers a wrong input with one sentence and a non-zero exit code. Source: own reasoning.

mod advice;
mod backup;
mod demo;
mod parent;
mod schema;
mod serve;
mod verify;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Network-attached memory: plain structs, replicated field by field.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon: order changes, keep the objects, bring changes to the nodes that hold them.
    Serve(serve::Serve),
    /// Show the main job: a large session on several nodes, one price changes, only those bytes travel.
    Demo(demo::DemoArguments),
    /// Read everything in a data directory and say what is damaged.
    Verify(verify::Verify),
    /// Copy what a data directory keeps, also while its daemon runs.
    Backup(backup::Backup),
    /// Make a data directory from a backup.
    Restore(backup::Restore),
    /// A node process of the demo.
    #[command(hide = true)]
    DemoNode,
    /// The process that the demo compares with.
    #[command(hide = true)]
    DemoStore,
    /// Prove that a deploy is safe: compare schemas.
    #[command(subcommand)]
    Schema(schema::SchemaCommand),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("NAM_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_terminal).with_writer(std::io::stderr).init();
    let result = match arguments.command {
        Command::Serve(serve) => serve.run(),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Verify(verify) => verify.run(),
        Command::Backup(backup) => backup.run(),
        Command::Restore(restore) => restore.run(),
        Command::DemoNode => demo::run_node(),
        Command::DemoStore => demo::run_store(),
        Command::Schema(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("nam: {sentence}");
            ExitCode::FAILURE
        }
    }
}
