//! `static-delta show`.

use std::fmt::Display;

use ostler_format::delta::{ByteOrder, ENDIANNESS_KEY};
use ostler_store::delta::{DeltaFiles, PartStats, part_stats};

use super::{Named, native, parse_name};
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::text::size;

/// Options of `static-delta show`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Print as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// FROM-TO, TO or FROM-TO.native, as `static-delta list` shows it
    #[arg(value_name = "DELTA")]
    pub(crate) delta: Option<String>,
}

impl Verb for Show {
    const NAME: &'static str = "show";
    const ABOUT: &'static str = "Show what a static delta has inside";
    const OPERANDS: &'static str = "DELTA";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "static-delta show --repo=repo FROM-TO",
        says: "its commits, parts and sizes",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let name = parse_name(self.delta.as_deref())?;
        let repo = self.repo.open(context)?;
        let name = match name {
            Named::Static(name) => name,
            Named::Native(name) => {
                native::show(context, &repo, &name, self.json)?;
                return Ok(Exit::Done);
            }
        };
        let files = DeltaFiles::of_repo(&repo, &name)?;
        let mut stats = Vec::new();
        for number in 0..files.superblock.parts.len() {
            stats.push(part_stats(&repo, &files, number)?);
        }
        if self.json {
            let shown = json(&files, &stats);
            context
                .printer
                .line(serde_json::to_string_pretty(&shown)?)?;
        } else {
            for line in lines(&files, &stats) {
                context.printer.line(line)?;
            }
        }
        Ok(Exit::Done)
    }
}

/// Sizes of parts and fallbacks together, compressed and unpacked.
struct Totals {
    parts: (u64, u64),
    fallbacks: (u64, u64),
}

impl Totals {
    fn of(files: &DeltaFiles) -> Self {
        let add = |sum: (u64, u64), item: (u64, u64)| {
            (sum.0.saturating_add(item.0), sum.1.saturating_add(item.1))
        };
        let superblock = &files.superblock;
        let parts = superblock.parts.iter();
        let fallbacks = superblock.fallbacks.iter();
        Self {
            parts: parts
                .map(|part| (part.compressed_size, part.uncompressed_size))
                .fold((0, 0), add),
            fallbacks: fallbacks
                .map(|fallback| (fallback.compressed_size, fallback.uncompressed_size))
                .fold((0, 0), add),
        }
    }

    fn all(&self) -> (u64, u64) {
        (
            self.parts.0.saturating_add(self.fallbacks.0),
            self.parts.1.saturating_add(self.fallbacks.1),
        )
    }
}

/// The text that programs read.
fn lines(files: &DeltaFiles, stats: &[PartStats]) -> Vec<String> {
    let superblock = &files.superblock;
    let mut lines = vec![
        format!("Delta: {}", superblock.name),
        format!("Signed: {}", if files.is_signed() { "yes" } else { "no" }),
    ];
    let mut say = |line: &dyn Display| lines.push(line.to_string());
    match superblock.name.from {
        Some(from) => say(&format_args!("From: {from}")),
        None => say(&"From <scratch>"),
    }
    say(&format_args!("To: {}", superblock.name.to));
    say(&format_args!("Endianness: {}", byte_order(files)));
    say(&format_args!("Timestamp: {}", superblock.timestamp));
    say(&format_args!(
        "Number of parents: {}",
        superblock.prerequisites.len()
    ));
    say(&format_args!(
        "Number of fallback entries: {}",
        superblock.fallbacks.len()
    ));
    for fallback in &superblock.fallbacks {
        say(&format_args!("  {}", fallback.object.checksum));
    }
    let totals = Totals::of(files);
    say(&sized("Total Fallback Size", totals.fallbacks.0));
    say(&sized(
        "Total Fallback Uncompressed Size",
        totals.fallbacks.1,
    ));
    say(&format_args!("Number of parts: {}", superblock.parts.len()));
    for (number, (head, stats)) in superblock.parts.iter().zip(stats).enumerate() {
        say(&format_args!(
            "PartMeta{number}: nobjects={} size={} usize={}",
            head.objects.len(),
            head.compressed_size,
            head.uncompressed_size
        ));
        say(&format_args!(
            "PartPayload{number}: nmodes={} nxattrs={} blobsize={} opsize={}",
            stats.owners, stats.xattrs, stats.data_bytes, stats.operation_bytes
        ));
        say(&format_args!(
            "PartPayloadOps{number}: openspliceclose={} open={} write={} setread={} unsetread={} close={} bspatch={}",
            stats.splices,
            stats.opens,
            stats.writes,
            stats.set_sources,
            stats.unset_sources,
            stats.closes,
            stats.patches
        ));
    }
    let all = totals.all();
    say(&sized("Total Part Size", totals.parts.0));
    say(&sized("Total Part Uncompressed Size", totals.parts.1));
    say(&sized("Total Size", all.0));
    say(&sized("Total Uncompressed Size", all.1));
    lines
}

fn sized(what: &str, bytes: u64) -> String {
    format!("{what}: {bytes} ({})", size::decimal(bytes))
}

fn byte_order(files: &DeltaFiles) -> String {
    let superblock = &files.superblock;
    let order = match superblock.byte_order {
        ByteOrder::Little => "little",
        ByteOrder::Big => "big",
    };
    match superblock.metadata.get(ENDIANNESS_KEY) {
        Some(_) => order.to_owned(),
        None => format!("{order} (heuristic)"),
    }
}

fn json(files: &DeltaFiles, stats: &[PartStats]) -> serde_json::Value {
    let superblock = &files.superblock;
    let (compressed, unpacked) = Totals::of(files).all();
    let parts: Vec<_> = superblock
        .parts
        .iter()
        .zip(stats)
        .map(|(head, stats)| {
            serde_json::json!({
                "objects": head.objects.len(),
                "download_bytes": head.compressed_size,
                "object_bytes": head.uncompressed_size,
                "content": stats,
            })
        })
        .collect();
    let fallbacks: Vec<_> = superblock
        .fallbacks
        .iter()
        .map(|fallback| {
            serde_json::json!({
                "object": fallback.object.to_string(),
                "download_bytes": fallback.compressed_size,
                "object_bytes": fallback.uncompressed_size,
            })
        })
        .collect();
    serde_json::json!({
        "from": superblock.name.from.map(|from| from.to_string()),
        "to": superblock.name.to.to_string(),
        "signed": files.is_signed(),
        "byte_order": byte_order(files),
        "timestamp": superblock.timestamp,
        "parts": parts,
        "fallbacks": fallbacks,
        "download_bytes": compressed,
        "object_bytes": unpacked,
    })
}
