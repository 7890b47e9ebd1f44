//! dpkg's database: one file of paragraphs, or a directory with a file a package, as in images that are put together without dpkg.

use super::{DatabaseError, at};
use crate::deb::status::{InstalledDeb, MAX_BYTES, parse_status};
use crate::tree::Tree;

/// Where it may be: dpkg's own place, and those in `/usr` to which builders of images move it.
pub(super) const PLACES: [&str; 4] = [
    "var/lib/dpkg",
    "usr/lib/sysimage/dpkg",
    "usr/lib/dpkg",
    "usr/share/dpkg",
];
/// Files beside the paragraphs in a `status.d`: lists of checksums.
const SUMS: &str = ".md5sums";
/// The most files in a `status.d`.
const MAX_FILES: usize = 100_000;

/// Reads the first database that is there.
pub(crate) fn installed(tree: &Tree<'_>) -> Result<Option<Vec<InstalledDeb>>, DatabaseError> {
    for place in PLACES {
        let status = paragraphs(tree, &format!("{place}/status"))?;
        let directory = directory(tree, &format!("{place}/status.d"))?;
        if status.is_some() || directory.is_some() {
            let mut all = status.unwrap_or_default();
            all.extend(directory.unwrap_or_default());
            return Ok(Some(all));
        }
    }
    Ok(None)
}

fn paragraphs(tree: &Tree<'_>, path: &str) -> Result<Option<Vec<InstalledDeb>>, DatabaseError> {
    let Some(bytes) = tree.read(path, MAX_BYTES).map_err(at(path))? else {
        return Ok(None);
    };
    let parsed = parse_status(&bytes);
    parsed.map(Some).map_err(|source| DatabaseError::Malformed {
        path: path.to_owned(),
        source,
    })
}

fn directory(tree: &Tree<'_>, path: &str) -> Result<Option<Vec<InstalledDeb>>, DatabaseError> {
    let Some(mut names) = tree.list(path).map_err(at(path))? else {
        return Ok(None);
    };
    names.retain(|name| !name.ends_with(SUMS));
    if names.len() > MAX_FILES {
        let source = crate::tree::TreeError::TooLarge {
            found: names.len() as u64,
            max: MAX_FILES as u64,
        };
        return Err(at(path)(source));
    }
    let mut all = Vec::new();
    for name in names {
        all.extend(paragraphs(tree, &format!("{path}/{name}"))?.unwrap_or_default());
    }
    Ok(Some(all))
}
