//! Where kernel arguments come from, in lines or as JSON.

use ostler_deploy::kargs::explain::{Explained, Explanation, KargSource};

use crate::context::Context;

/// Prints an explanation: an argument a line, with all that say it.
pub(crate) fn print(
    context: &Context,
    explanation: &Explanation,
    json: bool,
) -> anyhow::Result<()> {
    let printer = &context.printer;
    if json {
        printer.line(serde_json::to_string_pretty(explanation)?)?;
        return Ok(());
    }
    let all = explanation
        .arguments
        .iter()
        .chain(&explanation.removed_defaults);
    let width = all.map(|it| it.argument.chars().count()).max();
    let width = width.unwrap_or_default().min(60);
    for explained in &explanation.arguments {
        let (argument, from) = (&explained.argument, from(explained));
        printer.line(format_args!("{argument:width$}  {from}"))?;
    }
    if !explanation.removed_defaults.is_empty() {
        printer.line("Defaults of the tree that were removed:")?;
    }
    for explained in &explanation.removed_defaults {
        let (argument, from) = (&explained.argument, from(explained));
        printer.line(format_args!("{argument:width$}  {from}"))?;
    }
    Ok(())
}

fn from(explained: &Explained) -> String {
    let texts: Vec<String> = explained.from.iter().map(text).collect();
    texts.join(", ")
}

fn text(source: &KargSource) -> String {
    match source {
        KargSource::Default { file } => format!("default, {file}"),
        KargSource::HostFile => "host file, /etc/ostler/host.toml".to_owned(),
        KargSource::Owner { name } => format!("owned by {name}"),
        KargSource::Deployment => "written with each deployment".to_owned(),
        KargSource::Installation => "root file system, from the installation".to_owned(),
        KargSource::Administrator => "administrator".to_owned(),
    }
}
