//! `ostler`: the command line of the store and of the host.
//!
//! One grammar, three names: called `ostree` or `rpm-ostree`, the program takes that command line. A verb is one file
//! under `command/`; it parses, calls one library verb and prints.

mod command;
mod context;
mod exit;
mod external;
mod grammar;
mod help;
mod personality;
mod printer;
mod progress;

mod report;
mod text;
mod version;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let called_as = arguments.next().unwrap_or_default();
    let personality = personality::Personality::from_program_name(&called_as);
    grammar::run(personality, arguments.collect()).into()
}
