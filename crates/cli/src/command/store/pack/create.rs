//! `pack create`.

use ostler_format::CommitId;
use ostler_store::Repo;
use ostler_store::pack::{
    self, CreateOptions, Created, DEFAULT_LEVEL, DEFAULT_MEMORY, LEVELS, PackProblem, Replaced,
};

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::progress::ProgressOptions;
use crate::report::hinted;
use crate::text::size;

/// Options of `pack create`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Create {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
    /// How hard to compress, 1 to 19: higher is smaller and slower, for clients it makes no difference
    #[arg(
        long,
        value_name = "LEVEL",
        default_value_t = DEFAULT_LEVEL,
        allow_negative_numbers = true,
        value_parser = parse_level
    )]
    pub(crate) level: i32,
    /// Compress on as many processors as work in so much memory, 44 MiB each; one always does
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT_MEMORY >> 20)]
    pub(crate) memory: u64,
    /// Put all objects into the pack, also those that packs of other commits have
    #[arg(long)]
    pub(crate) complete: bool,
    /// Then delete the commit's files in `objects/` whose content packs have: the packs are verified before. Hosts that run `ostree` cannot
    /// pull such a commit any more, but by static deltas; `pack unpack` is the way back
    #[arg(long)]
    pub(crate) replace_objects: bool,
    /// Print what was made as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Commits or refs, earlier ones first
    #[arg(value_name = "REV", required = true)]
    pub(crate) revs: Vec<String>,
}

impl Verb for Create {
    const NAME: &'static str = "create";
    const ABOUT: &'static str = "Make a pack of what a commit adds to those that have packs";
    const OPERANDS: &'static str = "REV...";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "pack create --repo=repo os/stable",
            says: "after each commit, before `summary -u`: hosts then fetch an update in a few requests, from whatever version",
        },
        Example {
            call: "pack create --repo=repo --complete --level=19 os/stable",
            says: "a pack that needs no other, made once for new hosts",
        },
        Example {
            call: "pack create --repo=repo --replace-objects os/stable",
            says: "keep content in packs alone, in less than half the room; for hosts that run Ostler: `ostree` gets a 404 for each file",
        },
        Example {
            call: "pack create --repo=repo --memory=1024 os/stable",
            says: "compress on up to 23 processors",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.show_progress(&self.progress)?;
        let mut repo = self.repo.open(context)?;
        let options = CreateOptions {
            level: self.level,
            complete: self.complete,
            memory: self.memory.saturating_mul(1 << 20),
        };
        let mut all = Vec::new();
        for rev in &self.revs {
            let commit = repo.resolve(rev)?;
            let sink = context.sink();
            let created = pack::create(&repo, commit, options, sink.as_ref())?;
            drop(sink);
            // Last: clients look for packs where this says that there are some.
            pack::announce(&mut repo)?;
            if !self.json {
                context.printer.line(describe(&created))?;
            }
            let mut told = serde_json::json!({ "commit": commit.to_string(), "pack": created });
            if self.replace_objects {
                let replaced = replace(&mut repo, commit)?;
                if !self.json {
                    context.printer.line(describe_replaced(&replaced))?;
                }
                told["replaced"] = serde_json::json!(replaced);
            }
            all.push(told);
        }
        if self.json {
            context.printer.line(serde_json::to_string_pretty(&all)?)?;
        }
        Ok(Exit::Done)
    }
}

fn replace(repo: &mut Repo, commit: CommitId) -> anyhow::Result<Replaced> {
    pack::replace_objects(repo, commit).map_err(|error| {
        let hint = match &error {
            PackProblem::NoArchive { .. } => "leave out `--replace-objects`",
            PackProblem::TooMuch => "`ostler prune` what is not needed any more, and try again",
            _ => "no object was deleted; `ostler pack delete` and `pack create` make packs anew",
        };
        hinted(error.to_string(), hint)
    })
}

fn describe_replaced(replaced: &Replaced) -> String {
    format!(
        "{} files in `objects/` of {} deleted, packs have their content",
        replaced.objects,
        size::decimal(replaced.bytes)
    )
}

fn describe(created: &Created) -> String {
    if created.new_objects == 0 {
        return format!("all {} objects are in packs already", created.objects);
    }
    format!(
        "{} of {} objects, {} in {}",
        created.new_objects,
        created.objects,
        size::decimal(created.new_bytes),
        size::decimal(created.pack_bytes)
    )
}

/// Parses a level of Zstandard.
pub(crate) fn parse_level(text: &str) -> Result<i32, String> {
    let level = text.parse().ok().filter(|level| LEVELS.contains(level));
    level.ok_or_else(|| format!("it is {} to {}", LEVELS.start(), LEVELS.end()))
}
