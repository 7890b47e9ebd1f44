//! Help that teaches: what it does, options by subject, and calls to copy.

use crate::grammar::{Group, VerbEntry};

/// Lays out a group, section by section.
pub(super) fn group(group: &'static Group, path: &str) -> String {
    let mut text = format!(
        "{}\n\nUsage: {path} [OPTIONS] {}\n",
        group.about, group.operands
    );
    let width = group
        .nodes()
        .map(|n| n.summary().0.len())
        .max()
        .unwrap_or(0)
        + 2;
    for section in group.sections {
        text.push_str(&format!("\n{}:\n", section.heading));
        for (name, about, hidden) in section.nodes.iter().map(|node| node.summary()) {
            if !hidden {
                text.push_str(&format!("  {name:width$}{about}\n"));
            }
        }
    }
    text.push_str(&format!(
        "\n`{path} VERB --help` shows the options of a verb, with examples.\n"
    ));
    text
}

/// Lays out a verb.
pub(super) fn verb(entry: &VerbEntry, path: &str) -> String {
    let program = path.split(' ').next().unwrap_or_default();
    let mut command = entry
        .command(path)
        .styles(clap::builder::Styles::plain())
        .override_usage(
            format!("{path} [OPTIONS] {}", entry.operands)
                .trim_end()
                .to_owned(),
        );
    if !entry.examples.is_empty() {
        command = command.after_help(examples(entry, program));
    }
    command.render_help().to_string()
}

/// Returns the block of examples.
fn examples(entry: &VerbEntry, program: &str) -> String {
    let mut text = String::from("Examples:");
    for example in entry.examples {
        text.push_str(&format!(
            "\n  {}:\n    {program} {}",
            example.says, example.call
        ));
    }
    text
}
