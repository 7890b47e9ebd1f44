//! What the verbs of `static-delta` say of native deltas.

use ostler_format::delta::{Coding, DeltaGroup, DeltaName};
use ostler_store::Repo;
use ostler_store::delta::native::{NativeFile, NativeGenerated};

use crate::context::Context;
use crate::text::size;

/// Lines on what was made.
pub(super) fn describe(generated: &NativeGenerated) -> Vec<String> {
    vec![
        format!(
            "{} metadata and {} content objects in {} groups, {} of {}",
            generated.metadata,
            generated.files,
            generated.groups,
            size::decimal(generated.compressed_bytes),
            size::decimal(generated.uncompressed_bytes)
        ),
        format!(
            "modified: {}, {} of them found by content",
            generated.modified, generated.by_content
        ),
    ]
}

/// Prints what a delta has inside.
pub(super) fn show(
    context: &Context,
    repo: &Repo,
    name: &DeltaName,
    as_json: bool,
) -> anyhow::Result<()> {
    let native = NativeFile::of_repo(repo, name)?;
    let delta = &native.delta;
    let members = delta.groups.iter().flat_map(|group| &group.members);
    let (mut objects, mut object_bytes) = (0_u64, 0_u64);
    for member in members {
        objects += 1;
        object_bytes = object_bytes.saturating_add(member.size);
    }
    if as_json {
        let groups: Vec<_> = delta.groups.iter().map(json).collect();
        let shown = serde_json::json!({
            "from": delta.from.to_string(),
            "to": delta.to.to_string(),
            "index_bytes": native.index_size,
            "sources": delta.sources.len(),
            "groups": groups,
            "differences": differences(&delta.groups),
            "objects": objects,
            "download_bytes": native.size,
            "object_bytes": object_bytes,
        });
        context
            .printer
            .line(serde_json::to_string_pretty(&shown)?)?;
        return Ok(());
    }
    for line in [
        format!("Delta: {name}"),
        format!("From: {}", delta.from),
        format!("To: {}", delta.to),
        format!("Number of objects: {objects}"),
        format!("Number of old objects: {}", delta.sources.len()),
        format!("Number of groups: {}", delta.groups.len()),
        format!(
            "Number of frames: {}, {} of them differences",
            delta
                .groups
                .iter()
                .map(|group| group.frames.len())
                .sum::<usize>(),
            differences(&delta.groups)
        ),
        sized("Index Size", native.index_size),
        sized("Total Size", native.size),
        sized("Total Uncompressed Size", object_bytes),
    ] {
        context.printer.line(line)?;
    }
    Ok(())
}

/// How many frames are differences.
fn differences(groups: &[DeltaGroup]) -> usize {
    let frames = groups.iter().flat_map(|group| &group.frames);
    let differences = frames.filter(|frame| frame.coding == Coding::Difference);
    differences.count()
}

fn json(group: &DeltaGroup) -> serde_json::Value {
    let sizes = group.members.iter().map(|member| member.size);
    let prefixes = group.frames.iter().map(|frame| frame.prefix_bytes());
    serde_json::json!({
        "objects": group.members.len(),
        "frames": group.frames.len(),
        "download_bytes": group.packed(),
        "object_bytes": sizes.fold(0, u64::saturating_add),
        "old_bytes": prefixes.sum::<u64>(),
    })
}

fn sized(what: &str, bytes: u64) -> String {
    format!("{what}: {bytes} ({})", size::decimal(bytes))
}
