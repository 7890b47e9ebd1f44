//! `summary`: the list of refs that a repository shows to others.

use anyhow::{Context as _, anyhow, bail};
use jiff::tz::TimeZone;
use ostler_format::{Metadata, Summary as SummaryFile, Value};
use ostler_store::{Repo, sign, summary};

use crate::command::signing::SigningOptions;
use crate::command::values::parse_key_value;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::report::usage;
use crate::text;
use crate::text::variant::Bytes;

/// Options of `summary`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Summary {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Write the summary anew
    #[arg(short, long)]
    pub(crate) update: bool,
    /// Add a value in GVariant's text form to a new summary (repeatable)
    #[arg(short = 'm', long, value_name = "KEY=VALUE", value_parser = parse_key_value)]
    pub(crate) add_metadata: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) signing: SigningOptions,
    /// Print the summary, and below it what its signatures are worth
    #[arg(short, long)]
    pub(crate) view: bool,
    /// Print the summary's variant
    #[arg(long)]
    pub(crate) raw: bool,
    /// List the keys of the summary's metadata
    #[arg(long)]
    pub(crate) list_metadata_keys: bool,
    /// Print the value of this key of the summary's metadata
    #[arg(long, value_name = "KEY")]
    pub(crate) print_metadata_key: Option<String>,
}

impl Verb for Summary {
    const NAME: &'static str = "summary";
    const ABOUT: &'static str = "Write or print the list of refs that clients read first";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "summary --repo=repo -u",
            says: "write it anew after refs changed",
        },
        Example {
            call: "summary --repo=repo -v",
            says: "what clients see",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        if self.update {
            let extra = self.extra_metadata()?;
            let signers = self.signing.signers()?;
            summary::commit_metadata(&repo, &extra, &signers)?;
            summary::regenerate_signed(&repo, &extra, &signers)?;
        } else if self.raw {
            let bytes = read(&repo)?;
            let shown = Bytes::Swapped.print_stored(text::summary::SIGNATURE, &bytes)?;
            context.printer.line(shown)?;
        } else if self.view {
            let shown = text::summary::describe(&parse(&repo)?, &TimeZone::system());
            context.printer.text(&shown)?;
            let signatures = self.signatures(&repo)?;
            context.printer.text(&signatures)?;
        } else if self.list_metadata_keys {
            for key in text::summary::metadata_keys(&parse(&repo)?) {
                context.printer.line(key)?;
            }
        } else if let Some(key) = &self.print_metadata_key {
            let value = text::summary::metadata_value(&parse(&repo)?, key, Bytes::Swapped)?;
            context.printer.line(value)?;
        } else {
            return Err(usage("No option specified; use -u to update summary"));
        }
        Ok(Exit::Done)
    }
}

impl Summary {
    /// Describes the signatures in `summary.sig` by all keys that this host or this repository trusts for some remote.
    fn signatures(&self, repo: &Repo) -> anyhow::Result<String> {
        let Some(signatures) = sign::summary::read_bytes(repo)? else {
            return Ok(String::new());
        };
        let signatures = Metadata::parse(&signatures).context("summary.sig")?;
        let keyring = text::signatures::all_keys(repo, self.signing.gpg_homedir.as_deref())?;
        let bytes = read(repo)?;
        let mut text = text::signatures::describe(&bytes, &signatures, keyring)?;
        text.push_str(&text::signatures::describe_bare(repo, &bytes, &signatures)?);
        Ok(text)
    }

    fn extra_metadata(&self) -> anyhow::Result<Metadata> {
        let mut metadata = Metadata::new();
        for (key, value) in &self.add_metadata {
            let value = Value::parse_text(None, value)
                .map_err(|e| anyhow!("Error parsing variant ‘{value}’: {e}"))?;
            if key.is_empty() {
                bail!("Metadata keys can't be empty");
            }
            metadata.insert(key.as_str(), value);
        }
        Ok(metadata)
    }
}

fn read(repo: &Repo) -> anyhow::Result<Vec<u8>> {
    summary::read_bytes(repo)?.ok_or_else(|| anyhow!("`{}` has no summary", repo.path().display()))
}

fn parse(repo: &Repo) -> anyhow::Result<SummaryFile> {
    SummaryFile::parse(&read(repo)?).context("summary")
}
