//! What a pull did, in a line.

use std::fmt::Write as _;

use ostler_store::progress::Way;
use ostler_store::pull::{DeltaReport, Estimate, PullReport};

use serde_json::{Value, json};

use super::size;
use crate::progress::way_name;

/// Describes a pull as `ostree pull` and `ostree pull-local` do, on one line.
pub(crate) fn describe(report: &PullReport) -> String {
    let PullReport {
        metadata_objects,
        content_objects,
        ..
    } = report;
    let mut text = match report.deltas.parts {
        0 => format!("{metadata_objects} metadata, {content_objects} content objects "),
        parts => format!(
            "{parts} delta parts, {} loose ",
            metadata_objects + content_objects
        ),
    };
    match &report.network {
        None => text.push_str("imported"),
        Some(network) => {
            text.push_str("fetched");
            let (metadata, content) = (
                network.cached_metadata_objects,
                network.cached_content_objects,
            );
            if metadata + content > 0 {
                let _ = write!(text, " ({metadata} meta, {content} content local)");
            }
            if network.bytes > 0 {
                let (amount, unit) = match network.bytes {
                    bytes @ ..1024 => (bytes, "B"),
                    bytes => (bytes / 1024, "KiB"),
                };
                let seconds = report.elapsed.as_secs();
                let _ = write!(text, "; {amount} {unit} transferred in {seconds} seconds");
            }
        }
    }
    let written = size::decimal(report.content_bytes_written);
    let _ = write!(text, "; {written} content written");
    text
}

/// Describes what a pull would fetch: what deltas would bring as `ostree` does, on a line, then the rest.
pub(crate) fn describe_dry_run(report: &PullReport) -> String {
    let mut lines = Vec::new();
    let by_deltas = report.estimate.is_none() || report.deltas.parts_total > 0;
    if by_deltas {
        lines.push(describe_deltas(&report.deltas));
    }
    if let Some(estimate) = &report.estimate {
        for (key, commit) in &report.refs {
            lines.push(format!("{key}: {commit}"));
        }
        lines.extend(describe_estimate(estimate));
    }
    lines.join("\n")
}

fn describe_estimate(estimate: &Estimate) -> Vec<String> {
    let Estimate {
        content_objects,
        local_objects,
        packed_objects,
        pack_parts,
        objects_of_unknown_size: unknown,
        ..
    } = estimate;
    let mut lines = Vec::new();
    if let Some((way, reason)) = &estimate.route {
        let way = match way {
            Way::Deltas => "By static deltas",
            Way::Packs => "By packs",
            Way::Objects => "Object by object",
        };
        lines.push(format!("{way}: {reason}"));
    }
    let metadata = estimate.metadata_objects;
    let mut content = format!("Content: {content_objects} objects");
    if *packed_objects > 0 {
        let _ = write!(content, ", {packed_objects} in {pack_parts} parts of packs");
    }
    if *local_objects > 0 {
        let _ = write!(content, ", {local_objects} from this machine");
    }
    lines.push(content);
    lines.push(format!("Metadata: {metadata} objects"));
    let sized = |bytes: u64| match unknown {
        0 => size::decimal(bytes),
        _ if unknown == content_objects => "not known, nothing says the sizes".to_owned(),
        _ => format!(
            "{} and {unknown} objects of unknown size",
            size::decimal(bytes)
        ),
    };
    lines.push(format!("Download: {}", sized(estimate.download_bytes)));
    let free = size::decimal(estimate.free_bytes);
    let written = sized(estimate.written_bytes);
    lines.push(format!("To be written: {written}; {free} may be"));
    lines
}

/// What a pull would fetch, for programs, as `spec/dry-run.md` describes it.
pub(crate) fn dry_run_json(report: &PullReport) -> Value {
    let refs: serde_json::Map<_, _> = report
        .refs
        .iter()
        .map(|(key, commit)| (key.to_string(), commit.to_string().into()))
        .collect();
    let deltas = &report.deltas;
    let by_deltas = (deltas.parts_total > 0).then(|| {
        json!({
            "parts": deltas.parts_total,
            "parts_present": deltas.parts_present,
            "bytes": deltas.bytes_total,
            "bytes_present": deltas.bytes_present,
            "uncompressed_bytes": deltas.uncompressed_bytes,
        })
    });
    let rest = report.estimate.as_ref().map(|estimate| {
        json!({
            "way": estimate.route.as_ref().map(|(way, _)| way_name(*way)),
            "reason": estimate.route.as_ref().map(|(_, reason)| reason),
            "metadata_objects": estimate.metadata_objects,
            "content_objects": estimate.content_objects,
            "local_objects": estimate.local_objects,
            "packed_objects": estimate.packed_objects,
            "pack_parts": estimate.pack_parts,
            "download_bytes": estimate.download_bytes,
            "written_bytes": estimate.written_bytes,
            "objects_of_unknown_size": estimate.objects_of_unknown_size,
            "free_bytes": estimate.free_bytes,
        })
    });
    json!({ "refs": refs, "deltas": by_deltas, "rest": rest })
}

/// Describes what static deltas would fetch.
fn describe_deltas(deltas: &DeltaReport) -> String {
    format!(
        "Delta update: {}/{} parts, {}/{}, {} total uncompressed",
        deltas.parts_present,
        deltas.parts_total,
        size::decimal(deltas.bytes_present),
        size::decimal(deltas.bytes_total),
        size::decimal(deltas.uncompressed_bytes)
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use ostler_store::pull::NetworkReport;

    use super::*;

    #[test]
    fn an_estimate_says_what_is_not_known() {
        let mut estimate = Estimate {
            route: Some((Way::Packs, "the remote has packs".to_owned())),
            metadata_objects: 6,
            content_objects: 24,
            packed_objects: 22,
            pack_parts: 1,
            download_bytes: 3_000_000,
            written_bytes: 3_100_000,
            objects_of_unknown_size: 2,
            free_bytes: 77_200_000_000,
            ..Estimate::default()
        };
        let text = |estimate: &Estimate| {
            let text = describe_estimate(estimate).join("|");
            text.replace('\u{a0}', " ")
        };
        assert_eq!(
            text(&estimate),
            "By packs: the remote has packs|Content: 24 objects, 22 in 1 parts of packs|Metadata: 6 objects|\
             Download: 3.0 MB and 2 objects of unknown size|\
             To be written: 3.1 MB and 2 objects of unknown size; 77.2 GB may be"
        );
        estimate.route = None;
        estimate.packed_objects = 0;
        estimate.objects_of_unknown_size = 24;
        assert!(text(&estimate).contains("Download: not known, nothing says the sizes"));
        estimate.objects_of_unknown_size = 0;
        assert!(text(&estimate).contains("|Download: 3.0 MB|"));
    }

    #[test]
    fn the_line_says_what_came_from_where() {
        let mut report = PullReport {
            refs: BTreeMap::new(),
            metadata_objects: 6,
            content_objects: 5,
            content_bytes_written: 8,
            network: None,
            deltas: DeltaReport::default(),
            estimate: None,
            verified: Vec::new(),
            elapsed: Duration::from_millis(2700),
        };
        assert_eq!(
            describe(&report),
            "6 metadata, 5 content objects imported; 8 bytes content written"
        );
        report.network = Some(NetworkReport {
            bytes: 3000,
            cached_metadata_objects: 4,
            cached_content_objects: 0,
        });
        assert_eq!(
            describe(&report),
            "6 metadata, 5 content objects fetched (4 meta, 0 content local); 2 KiB transferred in 2 seconds; \
             8 bytes content written"
        );
    }
}
