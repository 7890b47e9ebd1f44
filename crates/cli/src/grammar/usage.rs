//! Refusals of a command line.

use std::fmt;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::tree::{Group, VerbEntry};
use crate::context::Context;
use crate::exit::Exit;
use crate::help;
use crate::personality::Personality;

/// Refuses a missing or unknown verb.
pub(super) fn refuse_in_group(
    context: &Context,
    group: &'static Group,
    path: &str,
    message: &str,
) -> Exit {
    refuse(
        context,
        message,
        || help::group(context.personality, group, path),
        format_args!("`{path} --help` lists the verbs"),
    )
}

/// Refuses what parses but can't be.
pub(super) fn refuse_in_verb(
    context: &Context,
    entry: &VerbEntry,
    path: &str,
    message: &str,
) -> Exit {
    refuse(
        context,
        message,
        || help::verb(context.personality, entry, path),
        format_args!("`{path} --help` shows the options"),
    )
}

/// Says `message`; as ostree does it after the whole help, else with a hint.
fn refuse(
    context: &Context,
    message: &str,
    help: impl FnOnce() -> String,
    hint: fmt::Arguments<'_>,
) -> Exit {
    if context.personality == Personality::Ostree {
        context.printer.note(help());
        context.printer.error(message);
        return Exit::Failed;
    }
    context.printer.error(message);
    context.printer.hint(hint);
    exit_code(context)
}

/// Refuses what does not parse.
pub(super) fn refuse_by_parser(
    context: &Context,
    entry: &VerbEntry,
    path: &str,
    error: &clap::Error,
) -> Exit {
    if context.personality != Personality::Ostree {
        context
            .printer
            .note(error.render().ansi().to_string().trim_end());
        return exit_code(context);
    }
    match error.kind() {
        ErrorKind::MissingRequiredArgument => {
            let names: Vec<_> = strings(error, ContextKind::InvalidArg)
                .iter()
                .map(|n| bare_name(n))
                .collect();
            let message = format!("{} must be specified", names.join(" and "));
            refuse_in_verb(context, entry, path, &message)
        }
        _ => {
            context.printer.error(as_goption_says(error));
            Exit::Failed
        }
    }
}

/// Puts a parser's error in the words that scripts know from `ostree`.
fn as_goption_says(error: &clap::Error) -> String {
    let argument = strings(error, ContextKind::InvalidArg).join(" ");
    let option = argument.split([' ', '=']).next().unwrap_or_default();
    let value = strings(error, ContextKind::InvalidValue).join(" ");
    match error.kind() {
        ErrorKind::UnknownArgument if option.starts_with('-') => format!("Unknown option {option}"),
        ErrorKind::UnknownArgument => "Too many arguments given".to_owned(),
        ErrorKind::InvalidValue if value.is_empty() => format!("Missing argument for {option}"),
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
            match std::error::Error::source(error) {
                Some(source) if source.is::<std::num::ParseIntError>() && option == "<INDEX>" => {
                    format!("Invalid index: {value}")
                }
                Some(source) if source.is::<std::num::ParseIntError>() => {
                    format!("Cannot parse integer value “{value}” for {option}")
                }
                // The parsers of this program say it whole.
                Some(source) => source.to_string(),
                None => format!("Cannot parse value “{value}” for {option}"),
            }
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            first.strip_prefix("error: ").unwrap_or(first).to_owned()
        }
    }
}

fn strings(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// Strips the marks around an operand's name: `<REF>`, `[PATH]...`.
fn bare_name(shown: &str) -> String {
    shown
        .trim_end_matches('.')
        .trim_matches(['<', '>', '[', ']'])
        .to_owned()
}

fn exit_code(context: &Context) -> Exit {
    match context.personality {
        Personality::Ostler => Exit::Usage,
        Personality::Ostree | Personality::RpmOstree => Exit::Failed,
    }
}
