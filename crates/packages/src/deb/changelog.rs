//! Debian's changelogs: entries of a version each, the newest first. Pure.

use std::cmp::Ordering;

use crate::version::deb;

/// The largest changelog that is read, unpacked.
pub const MAX_BYTES: u64 = 32 << 20;

/// Cuts out the entries of versions that are newer than `after`, as they stand there, without blank lines at the ends.
///
/// Reading ends at the first entry that is not newer, for what is below it is older still.
#[must_use]
pub fn newer_than(text: &str, after: &str) -> Vec<String> {
    let mut entries = Vec::new();
    let mut entry: Option<String> = None;
    for line in text.lines() {
        if let Some(version) = version_of(line) {
            entries.extend(entry.take());
            if deb::compare(version, after) != Ordering::Greater {
                break;
            }
            entry = Some(String::new());
        }
        if let Some(entry) = &mut entry {
            entry.push_str(line.trim_end());
            entry.push('\n');
        }
    }
    entries.extend(entry);
    entries
        .iter_mut()
        .for_each(|entry| entry.truncate(entry.trim_end().len()));
    entries
}

/// Reads the version in the first line of an entry: `name (version) distribution; urgency=low`.
fn version_of(line: &str) -> Option<&str> {
    if line.starts_with([' ', '\t']) {
        return None;
    }
    let (name, rest) = line.split_once(" (")?;
    let (version, rest) = rest.split_once(')')?;
    let is = !name.contains(' ') && rest.contains(';') && !version.contains(' ');
    is.then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
bash (5.2-2) unstable; urgency=medium

  * Two.

 -- A <a@b>  Mon, 01 Jan 2024 00:00:00 +0000

bash (5.2-1) unstable; urgency=medium

  * One (really), see
    bash (5.1-9) for more.

 -- A <a@b>  Sun, 31 Dec 2023 00:00:00 +0000

bash (5.1-9) unstable; urgency=medium

  * Old.
";

    #[test]
    fn entries_of_newer_versions_are_cut_out() {
        let subjects = |after| {
            let found = newer_than(TEXT, after);
            found
                .iter()
                .filter_map(|entry| entry.lines().nth(2).map(str::to_owned))
                .collect::<Vec<_>>()
        };
        assert_eq!(subjects("5.1-9"), ["  * Two.", "  * One (really), see"]);
        assert_eq!(subjects("5.2-1"), ["  * Two."]);
        assert_eq!(subjects("5.2-2"), Vec::<String>::new());
        assert_eq!(subjects("0").len(), 3);
        assert!(newer_than(TEXT, "5.2-1")[0].ends_with("+0000"));
        assert_eq!(newer_than("no changelog", "1"), Vec::<String>::new());
    }
}
