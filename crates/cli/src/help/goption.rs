//! Help in the layout of GLib's option parser, which scripts around `ostree` read.

use clap::Arg;

use crate::grammar::{ALWAYS, Group, VerbEntry};

/// The space between the widest option and its text.
const GAP: usize = 5;

/// Lays out a group: usage, its verbs and the options that each has.
pub(super) fn group(group: &'static Group, path: &str) -> String {
    let mut text = usage_line(path, group.operands);
    if path.contains(' ') {
        text.push_str(&format!("{}\n\n", group.about));
    }
    let heading = match path.split_once(' ') {
        None => "Builtin Commands:".to_owned(),
        Some((_, sub)) => format!("Builtin \"{sub}\" Commands:"),
    };
    text.push_str(&heading);
    text.push('\n');
    let shown: Vec<_> = group
        .nodes()
        .map(|n| n.summary())
        .filter(|(.., hidden)| !hidden)
        .collect();
    let width = shown.iter().map(|(name, ..)| name.len()).max().unwrap_or(0) + GAP;
    for (name, about, _) in shown {
        text.push_str(&format!("  {name:width$}{about}\n"));
    }
    let options = [
        (
            "-v, --verbose".to_owned(),
            "Print what is being done to stderr".to_owned(),
        ),
        (
            "--version".to_owned(),
            "Print version information and exit".to_owned(),
        ),
    ];
    text.push_str(&option_blocks(&options));
    text
}

/// Lays out a verb: usage, what it does and its options.
pub(super) fn verb(entry: &VerbEntry, path: &str) -> String {
    let command = entry.command(path);
    let mut text = usage_line(path, entry.operands);
    text.push_str(&format!("{}\n", entry.about));
    let shown = |always: bool| {
        command
            .get_arguments()
            .filter(move |arg| (arg.get_help_heading() == Some(ALWAYS)) == always)
            .filter(|arg| !arg.is_positional() && !arg.is_hide_set() && arg.get_id() != "help")
            .map(|arg| {
                (
                    left_side(arg),
                    arg.get_help().map(ToString::to_string).unwrap_or_default(),
                )
            })
    };
    let options: Vec<_> = shown(false).chain(shown(true)).collect();
    text.push_str(&option_blocks(&options));
    text
}

fn usage_line(path: &str, operands: &str) -> String {
    format!(
        "Usage:\n  {}\n\n",
        format!("{path} [OPTION…] {operands}").trim_end()
    )
}

fn option_blocks(options: &[(String, String)]) -> String {
    const HELP: &str = "-h, --help";
    let widest = options
        .iter()
        .map(|(left, _)| left.chars().count())
        .max()
        .unwrap_or(0);
    let width = widest.max(HELP.len()) + GAP;
    let mut text =
        format!("\nHelp Options:\n  {HELP:width$}Show help options\n\nApplication Options:\n");
    for (left, help) in options {
        text.push_str(&format!("  {left:width$}{help}\n"));
    }
    text.push('\n');
    text
}

fn left_side(arg: &Arg) -> String {
    let mut left = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, long) => format!("--{}", long.unwrap_or_default()),
    };
    if arg.get_action().takes_values()
        && let Some(name) = arg.get_value_names().and_then(<[_]>::first)
    {
        left.push_str(&format!("={name}"));
    }
    left
}
