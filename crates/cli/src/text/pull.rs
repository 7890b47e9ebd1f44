//! What a pull did, in a line.

use std::fmt::Write as _;

use ostler_store::pull::{DeltaReport, PullReport};

use super::size;

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

/// Describes what static deltas would fetch.
pub(crate) fn describe_dry_run(deltas: &DeltaReport) -> String {
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
    fn the_line_says_what_came_from_where() {
        let mut report = PullReport {
            refs: BTreeMap::new(),
            metadata_objects: 6,
            content_objects: 5,
            content_bytes_written: 8,
            network: None,
            deltas: DeltaReport::default(),
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
