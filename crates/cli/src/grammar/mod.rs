//! The grammar: a tree of verbs, the search for a verb among the arguments, and the run of what was found.

mod expect;
mod locate;
mod options;
mod tree;
mod usage;

use std::ffi::OsString;

use clap::error::ErrorKind;

pub(crate) use expect::Expected;
pub(crate) use options::{LinkOptions, RepoOption, SysrootOption};
pub(crate) use tree::{ALWAYS, Example, Group, Node, Section, Verb, VerbEntry, verb};

use crate::context::Context;
use crate::exit::Exit;
use crate::personality::Personality;
use crate::report::UsageError;
use crate::{command, external, help, report, version};
use locate::{Found, locate};

/// Runs the program with the arguments after its name.
pub(crate) fn run(personality: Personality, arguments: Vec<OsString>) -> Exit {
    let context = Context::new(personality);
    let exit = dispatch(&context, arguments);
    match context.printer.flush() {
        Ok(()) => exit,
        Err(error) => report::report(&context, &error.into()),
    }
}

fn dispatch(context: &Context, arguments: Vec<OsString>) -> Exit {
    let personality = context.personality;
    let root = command::root(personality);
    match locate(root, personality.name(), arguments) {
        Found::Verb {
            entry,
            path,
            arguments,
        } => run_verb(context, entry, &path, arguments),
        Found::Group {
            group,
            path,
            arguments,
        } => run_group(context, group, &path, &arguments),
        Found::Unknown {
            group,
            path,
            name,
            arguments,
        } => {
            if std::ptr::eq(group, root)
                && let Err(error) = external::exec(personality.name(), &name, &arguments)
            {
                return report::report(context, &error.into());
            }
            let message = match path.split_once(' ') {
                None => format!("Unknown command '{name}'"),
                Some((_, sub)) => format!("Unknown \"{sub}\" subcommand '{name}'"),
            };
            usage::refuse_in_group(context, group, &path, &message)
        }
    }
}

/// Finds the verb in the words of a command line that is not finished, and which value its last word is the beginning of.
pub(crate) fn expect_value(root: &'static Group, words: &[String]) -> Option<(String, Expected)> {
    let arguments = words.iter().map(OsString::from).collect();
    let Found::Verb {
        entry,
        path,
        arguments,
    } = locate(root, root.name, arguments)
    else {
        return None;
    };
    let words: Vec<String> = arguments
        .into_iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let expected = expect::expect(&entry.command(&path), &words)?;
    Some((path, expected))
}

/// Answers `--help`, `--version` and the options of a group that was called without a verb.
fn run_group(context: &Context, group: &'static Group, path: &str, arguments: &[OsString]) -> Exit {
    if arguments.iter().any(|a| a == "--help" || a == "-h") {
        return print(context, &help::group(context.personality, group, path));
    }
    if arguments.iter().any(|a| a == "--version") {
        return print(context, &version::text(context.personality));
    }
    if let Some(run) = group.without_verb
        && let Some(result) = run(arguments, context)
    {
        return result.unwrap_or_else(|error| report::report(context, &error));
    }
    let message = match path.split_once(' ') {
        None => "No command specified".to_owned(),
        Some((_, sub)) => format!("No \"{sub}\" subcommand specified"),
    };
    usage::refuse_in_group(context, group, path, &message)
}

fn run_verb(
    context: &Context,
    entry: &'static VerbEntry,
    path: &str,
    arguments: Vec<OsString>,
) -> Exit {
    let command = match context.personality {
        Personality::Ostree => tree::ignoring_excess_operands(entry.command(path)),
        Personality::Ostler | Personality::RpmOstree => entry.command(path),
    };
    let with_name = std::iter::once(OsString::from(path)).chain(arguments);
    let matches = match command.clone().try_get_matches_from(with_name) {
        Ok(matches) => matches,
        Err(error) => {
            return match error.kind() {
                ErrorKind::DisplayHelp => {
                    print(context, &help::verb(context.personality, entry, path))
                }
                ErrorKind::DisplayVersion => print(context, &version::text(context.personality)),
                _ => usage::refuse_by_parser(context, entry, path, &error),
            };
        }
    };
    context.printer.set_verbose(matches.get_flag("verbose"));
    match entry.run(&matches, context) {
        Ok(exit) => exit,
        Err(error) => match error.downcast_ref::<UsageError>() {
            Some(UsageError(message)) => usage::refuse_in_verb(context, entry, path, message),
            None => report::report(context, &error),
        },
    }
}

fn print(context: &Context, text: &str) -> Exit {
    match context.printer.text(text) {
        Ok(()) => Exit::Done,
        Err(error) => report::report(context, &error.into()),
    }
}
