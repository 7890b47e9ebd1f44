//! `history`: what was deployed and booted, also what is gone.

use ostler_deploy::history::{self, Entry};
use serde_json::{Value as Json, json};

use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};
use crate::text::date;

/// Columns that the names of fields are aligned to.
const NAME_WIDTH: usize = 17;

/// Options of `history`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Leave out deployments that were never booted
    #[arg(short, long)]
    pub(crate) booted: bool,
    /// Show this many entries
    #[arg(short = 'n', long, value_name = "N", default_value_t = 3)]
    pub(crate) limit: usize,
    /// Show all entries
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

impl Verb for History {
    const NAME: &'static str = "history";
    const ABOUT: &'static str = "Show what was deployed and booted on this host, the newest first";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "history",
            says: "show the last three entries: when each was made, by which command, and when it was booted",
        },
        Example {
            call: "history --all --booted --json",
            says: "print all that was ever booted as JSON",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let sysroot = system::open(&self.sysroot)?;
        let mut entries = history::history(&sysroot);
        entries.retain(|entry| !self.booted || entry.boot_count > 0);
        if !self.all {
            entries.truncate(self.limit);
        }
        if self.json {
            let json = json!({ "deployments": entries.iter().map(as_json).collect::<Vec<_>>() });
            context.printer.line(serde_json::to_string_pretty(&json)?)?;
            return Ok(Exit::Done);
        }
        if entries.is_empty() {
            context.printer.line("No history.")?;
        }
        for (index, entry) in entries.iter().enumerate() {
            if index > 0 {
                context.printer.line("")?;
            }
            for (name, value) in fields(entry, context.printer.is_verbose()) {
                context
                    .printer
                    .line(format_args!("{name:>NAME_WIDTH$}: {value}"))?;
            }
        }
        Ok(Exit::Done)
    }
}

fn fields(entry: &Entry, verbose: bool) -> Vec<(&'static str, String)> {
    let time = |time: u64| date::utc(time).unwrap_or_else(|| time.to_string());
    let made = entry.made.as_ref();
    let mut fields = vec![(
        "Deployment",
        made.and_then(|made| made.origin.clone())
            .unwrap_or_else(|| "(no origin)".to_owned()),
    )];
    if let Some(version) = made.and_then(|made| made.version.clone()) {
        fields.push(("Version", version));
    }
    fields.push(("Commit", entry.commit().to_owned()));
    if verbose {
        fields.push(("StateRoot", entry.stateroot.clone()));
    }
    match made {
        Some(made) => {
            fields.push(("CreateTimestamp", time(made.time)));
            fields.push(("CreateCommand", made.command.clone()));
        }
        None => fields.push(("CreateTimestamp", "unknown".to_owned())),
    }
    match (entry.last_boot, entry.boot_count) {
        (None, _) => fields.push(("BootTimestamp", "never".to_owned())),
        (Some(last), 1) => fields.push(("BootTimestamp", time(last))),
        (Some(last), count) => {
            fields.push(("BootTimestamp", format!("{} ({count} boots)", time(last))));
        }
    }
    if let Some(first) = entry.first_boot.filter(|_| verbose && entry.boot_count > 1) {
        fields.push(("FirstBoot", time(first)));
    }
    fields
}

/// The keys are rpm-ostree's where it has them.
fn as_json(entry: &Entry) -> Json {
    let made = entry.made.as_ref();
    json!({
        "osname": entry.stateroot,
        "checksum": entry.commit(),
        "id": format!("{}-{}", entry.stateroot, entry.deployment),
        "origin": made.and_then(|made| made.origin.as_deref()),
        "version": made.and_then(|made| made.version.as_deref()),
        "deployment-create-timestamp": made.map(|made| made.time),
        "deployment-create-command-line": made.map(|made| made.command.as_str()),
        "deployment-boot-count": entry.boot_count,
        "deployment-first-boot-timestamp": entry.first_boot,
        "deployment-last-boot-timestamp": entry.last_boot,
    })
}
