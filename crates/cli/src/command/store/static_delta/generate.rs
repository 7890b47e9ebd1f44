//! `static-delta generate`.

use std::path::PathBuf;

use jiff::Zoned;
use ostler_format::CommitId;
use ostler_format::delta::{ByteOrder, DeltaName};
use ostler_store::Repo;
use ostler_store::delta::native::{self, NativeOptions};
use ostler_store::delta::{self, GenerateOptions, Generated, Placement};
use ostler_store::sign::Signer;

use super::native::describe as describe_native;
use crate::command::signing::secret_keys;
use crate::command::store::pack::create::parse_level;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::progress::ProgressOptions;
use crate::report::{hinted, usage};
use crate::text::size;

/// Bytes of the megabytes in which sizes are given.
const MEGABYTE: u64 = 1 << 20;

/// Options of `static-delta generate`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Generate {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
    /// Commit that the delta leads from (defaults to the parent)
    #[arg(long, value_name = "REV")]
    pub(crate) from: Option<String>,
    /// Lead from nothing
    #[arg(long)]
    pub(crate) empty: bool,
    /// Commit that the delta leads to
    #[arg(long, value_name = "REV")]
    pub(crate) to: Option<String>,
    /// Do nothing if there is one already
    #[arg(short = 'n', long)]
    pub(crate) if_not_exists: bool,

    /// In Ostler's own encoding, which is smaller and made faster, for clients that are Ostler
    #[arg(long, conflicts_with_all = ["empty", "disable_bsdiff", "max_bsdiff_size", "min_fallback_size", "inline", "max_chunk_size",
        "set_endianness", "swap_endianness", "sign", "keys_file"])]
    pub(crate) native: bool,
    /// How hard to compress a native delta, 1 to 19: higher is smaller and slower
    #[arg(
        long,
        value_name = "LEVEL",
        requires = "native",
        default_value_t = native::DEFAULT_LEVEL,
        allow_negative_numbers = true,
        value_parser = parse_level
    )]
    pub(crate) level: i32,

    /// Make no patches: files come whole, or from pieces of old ones
    #[arg(long, help_heading = "Content")]
    pub(crate) disable_bsdiff: bool,
    /// Megabytes of the largest file that is patched
    #[arg(
        long,
        value_name = "MB",
        default_value_t = 128,
        help_heading = "Content"
    )]
    pub(crate) max_bsdiff_size: u64,
    /// Megabytes of a new file above which it is fetched by itself (0 for never)
    #[arg(long, value_name = "MB", default_value_t = 4, help_heading = "Content")]
    pub(crate) min_fallback_size: u64,
    /// Megabytes of memory that are used at most
    #[arg(
        long,
        value_name = "MB",
        default_value_t = 900,
        help_heading = "Content"
    )]
    pub(crate) memory: u64,

    /// Put the parts into the superblock
    #[arg(long, help_heading = "Files")]
    pub(crate) inline: bool,
    /// Megabytes of objects in one part
    #[arg(long, value_name = "MB", default_value_t = 32, help_heading = "Files")]
    pub(crate) max_chunk_size: u64,
    /// Order of bytes in the superblock: l or B (defaults to this machine's)
    #[arg(long, value_name = "ENDIAN", value_parser = parse_byte_order, help_heading = "Files")]
    pub(crate) set_endianness: Option<ByteOrder>,
    /// The order of bytes that is not this machine's
    #[arg(long, help_heading = "Files")]
    pub(crate) swap_endianness: bool,
    /// Write the superblock to this file, and parts beside it, or a native delta, not into the repository
    #[arg(long, value_name = "PATH", help_heading = "Files")]
    pub(crate) filename: Option<PathBuf>,

    /// Sign with this secret key, in base64 (repeatable); others on this host can see it: prefer --keys-file
    #[arg(long, value_name = "KEY", help_heading = "Signatures")]
    pub(crate) sign: Vec<String>,
    /// Sign with the secret keys in this file
    #[arg(long, value_name = "FILE", help_heading = "Signatures")]
    pub(crate) keys_file: Option<PathBuf>,
    /// Kind of signature: ed25519 or spki
    #[arg(
        long,
        value_name = "NAME",
        default_value = "ed25519",
        hide_default_value = true,
        help_heading = "Signatures"
    )]
    pub(crate) sign_type: String,

    /// Print what was made as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Commit that the delta leads to
    #[arg(value_name = "TO", conflicts_with = "to")]
    pub(crate) rev: Option<String>,
}

impl Verb for Generate {
    const NAME: &'static str = "generate";
    const ABOUT: &'static str = "Make a static delta";
    const OPERANDS: &'static str = "[TO]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "static-delta generate --repo=repo os/stable",
            says: "from the commit before to the newest one; `summary -u` tells clients",
        },
        Example {
            call: "static-delta generate --repo=repo --from=REV --to=os/stable --inline --min-fallback-size=0 --filename=update.delta",
            says: "all in one file, to be carried",
        },
        Example {
            call: "static-delta generate --repo=repo --native os/stable",
            says: "for hosts that run Ostler: fewer bytes; others do not notice",
        },
        Example {
            call: "static-delta generate --repo=repo --empty --to=os/stable --keys-file=secret.ed25519",
            says: "for hosts that have nothing yet, signed",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.show_progress(&self.progress)?;
        let repo = self.repo.open(context)?;
        let to = self.to.as_ref().or(self.rev.as_ref());
        let to = to.ok_or_else(|| usage("TO revision must be specified"))?;
        let to = repo.resolve(to)?;
        let from = self.from(&repo, to)?;
        let name = DeltaName { from, to };
        if self.if_not_exists && self.is_there(&repo, &name)? {
            context
                .printer
                .line(format_args!("Delta {name} already exists."))?;
            return Ok(Exit::Done);
        }
        if !self.json {
            context.printer.line("Generating static delta:")?;
            match from {
                Some(from) => context.printer.line(format_args!("  From: {from}"))?,
                None => context.printer.line("  From: empty")?,
            }
            context.printer.line(format_args!("  To:   {to}"))?;
        }
        let (json, lines) = match from {
            Some(from) if self.native => self.make_native(context, repo, (from, to))?,
            _ => {
                let options = self.options()?;
                let sink = context.sink();
                let generated = delta::generate(&repo, from, to, &options, sink.as_ref())?;
                (
                    serde_json::to_string_pretty(&generated)?,
                    describe(&generated),
                )
            }
        };
        if self.json {
            context.printer.line(json)?;
        } else {
            for line in lines {
                context.printer.note(line);
            }
        }
        Ok(Exit::Done)
    }
}

impl Generate {
    fn is_there(&self, repo: &Repo, name: &DeltaName) -> anyhow::Result<bool> {
        Ok(match self.native {
            true => native::list(repo)?.contains_key(name),
            false => delta::list(repo)?.contains_key(name),
        })
    }

    /// Makes a native delta, and returns what to print as JSON or as lines.
    fn make_native(
        &self,
        context: &Context,
        mut repo: Repo,
        commits: (CommitId, CommitId),
    ) -> anyhow::Result<(String, Vec<String>)> {
        let options = NativeOptions {
            level: self.level,
            memory_bytes: self.memory.saturating_mul(MEGABYTE),
        };
        let placement = self.placement();
        let sink = context.sink();
        let generated = native::generate(&repo, commits, options, &placement, sink.as_ref())?;
        drop(sink);
        if placement == Placement::InRepo {
            // Last: clients look for deltas where this says that there are some.
            native::announce(&mut repo)?;
        }
        let json = serde_json::to_string_pretty(&generated)?;
        Ok((json, describe_native(&generated)))
    }

    fn placement(&self) -> Placement {
        match &self.filename {
            Some(path) => Placement::At(path.clone()),
            None => Placement::InRepo,
        }
    }

    fn from(&self, repo: &Repo, to: CommitId) -> anyhow::Result<Option<CommitId>> {
        match (&self.from, self.empty) {
            (Some(_), true) => Err(usage("Cannot specify both --empty and --from=REV")),
            (None, true) => Ok(None),
            (Some(rev), false) => Ok(Some(repo.resolve(rev)?)),
            (None, false) => match repo.read_commit(to)?.parent {
                Some(parent) => Ok(Some(parent)),
                None => Err(hinted(
                    format!("Commit {to} has no parent"),
                    "name a commit to lead from (--from), or lead from nothing (--empty)",
                )),
            },
        }
    }

    fn options(&self) -> anyhow::Result<GenerateOptions> {
        let native = match cfg!(target_endian = "big") {
            true => ByteOrder::Big,
            false => ByteOrder::Little,
        };
        let swapped = match native {
            ByteOrder::Big => ByteOrder::Little,
            ByteOrder::Little => ByteOrder::Big,
        };
        let byte_order = match (self.set_endianness, self.swap_endianness) {
            (Some(_), true) => {
                return Err(usage(
                    "Cannot specify both --swap-endianness and --set-endianness",
                ));
            }
            (Some(order), false) => order,
            (None, true) => swapped,
            (None, false) => native,
        };
        let mut signers: Vec<Box<dyn Signer>> = Vec::new();
        for key in secret_keys(&self.sign_type, &self.sign, self.keys_file.as_slice())? {
            signers.push(Box::new(key));
        }
        Ok(GenerateOptions {
            bsdiff: !self.disable_bsdiff,
            max_bsdiff_bytes: self.max_bsdiff_size.saturating_mul(MEGABYTE),
            min_fallback_bytes: match self.min_fallback_size {
                0 => None,
                size => Some(size.saturating_mul(MEGABYTE)),
            },
            max_chunk_bytes: self.max_chunk_size.saturating_mul(MEGABYTE),
            inline: self.inline,
            byte_order,
            memory_bytes: self.memory.saturating_mul(MEGABYTE),
            timestamp: Zoned::now().timestamp().as_second().cast_unsigned(),
            signers,
            placement: self.placement(),
        })
    }
}

/// Lines for people, and for programs that look for single words.
fn describe(generated: &Generated) -> Vec<String> {
    vec![
        format!(
            "{} metadata and {} content objects in {} parts, {} of {}",
            generated.metadata,
            generated.files,
            generated.parts,
            size::decimal(generated.compressed_bytes),
            size::decimal(generated.uncompressed_bytes)
        ),
        format!(
            "{} objects are fetched by themselves, {}",
            generated.fallbacks,
            size::decimal(generated.fallback_bytes)
        ),
        format!("modified: {}", generated.modified),
        format!(
            "rollsum={} objects, {} bytes",
            generated.from_pieces, generated.piece_bytes
        ),
        format!("bsdiff={} objects", generated.patched),
    ]
}

fn parse_byte_order(text: &str) -> Result<ByteOrder, String> {
    match text {
        "l" => Ok(ByteOrder::Little),
        "B" => Ok(ByteOrder::Big),
        _ => Err("it is l or B".into()),
    }
}
