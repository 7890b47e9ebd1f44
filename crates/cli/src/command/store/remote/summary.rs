//! `remote summary`.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use ostler_store::pull::RemoteSummary;

use super::fetch_summary;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::text;
use crate::text::variant::Bytes;

/// Options of `remote summary`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Summary {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Keep the cache of summaries in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Print the summary's variant
    #[arg(long)]
    pub(crate) raw: bool,
    /// List the keys of the summary's metadata
    #[arg(long)]
    pub(crate) list_metadata_keys: bool,
    /// Print the value of this key of the summary's metadata
    #[arg(long, value_name = "KEY")]
    pub(crate) print_metadata_key: Option<String>,
    /// The remote
    #[arg(value_name = "NAME", required = true)]
    pub(crate) name: String,
}

impl Verb for Summary {
    const NAME: &'static str = "summary";
    const ABOUT: &'static str = "Print the summary that a remote has";
    const OPERANDS: &'static str = "NAME";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "remote summary --repo=repo origin",
        says: "its refs with their commits, and what it says of itself",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let RemoteSummary {
            bytes,
            parsed: summary,
            verified,
        } = fetch_summary(
            context,
            &self.repo,
            &self.name,
            self.cache_dir.as_deref(),
            "Remote server has no summary file",
        )?;
        if self.raw {
            let shown = Bytes::Swapped.print_stored(text::summary::SIGNATURE, &bytes)?;
            context.printer.line(shown)?;
        } else if self.list_metadata_keys {
            for key in text::summary::metadata_keys(&summary) {
                context.printer.line(key)?;
            }
        } else if let Some(key) = &self.print_metadata_key {
            let value = text::summary::metadata_value(&summary, key, Bytes::Swapped)?;
            context.printer.line(value)?;
        } else {
            let shown = text::summary::describe(&summary, &TimeZone::system());
            context.printer.text(&shown)?;
            for message in verified.messages {
                context.printer.line("")?;
                context.printer.text(&message)?;
            }
        }
        Ok(Exit::Done)
    }
}
