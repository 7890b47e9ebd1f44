//! dpkg's `status`: paragraphs of `Field: value`, a package each.

use super::paragraph::{Paragraph, paragraphs};
use crate::error::PackagesError;
use crate::package::Package;

/// The largest file that is read; Debian's has some kilobytes a package.
pub const MAX_BYTES: u64 = 64 << 20;

/// A package that is installed, and what it was built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledDeb {
    /// The package.
    pub package: Package,
    /// The version of its source, which is what its changelog speaks of.
    pub source_version: String,
}

/// Lists the packages of a `status` file that are installed, in its order.
///
/// Those that were removed and left configuration behind, or are half installed, are left out.
///
/// # Errors
/// [`PackagesError::TooLarge`]; [`PackagesError::Malformed`] at a line that is no field, or for a package without a name or version.
pub fn parse_status(bytes: &[u8]) -> Result<Vec<InstalledDeb>, PackagesError> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(PackagesError::TooLarge {
            found: bytes.len() as u64,
            max: MAX_BYTES,
        });
    }
    let mut packages = Vec::new();
    for paragraph in paragraphs(bytes) {
        packages.extend(installed(&paragraph?)?);
    }
    Ok(packages)
}

/// The package, if it is installed.
fn installed(fields: &Paragraph<'_>) -> Result<Option<InstalledDeb>, PackagesError> {
    // Trees that are put together without dpkg have no status.
    let state = fields.get("Status");
    let state = state.map(|status| status.rsplit(|byte| *byte == b' ').next());
    if state.is_some_and(|state| state != Some(b"installed")) {
        return Ok(None);
    }
    let required = |name, problem| {
        let text = fields.text(name)?.filter(|text| !text.is_empty());
        let text = text.map(str::to_owned);
        text.ok_or_else(|| PackagesError::at_line(fields.line(), problem))
    };
    let version = required("Version", "an installed package without a version")?;
    let built_from = fields.text("Source")?.and_then(source_version);
    Ok(Some(InstalledDeb {
        source_version: built_from.map_or_else(|| version.clone(), str::to_owned),
        package: Package {
            name: required("Package", "a package without a name")?,
            version,
            architecture: fields.text("Architecture")?.unwrap_or_default().to_owned(),
        },
    }))
}

/// Reads `NAME (VERSION)`; `None` if there is no version, because it is the package's.
fn source_version(source: &str) -> Option<&str> {
    let (_, version) = source.split_once('(')?;
    Some(version.trim_end_matches(')').trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_installed_is_listed() {
        let text = b"Package: a\nStatus: install ok installed\nSource: s (1:2-1)\nArchitecture: amd64\nVersion: 1:2-3\nDescription: x\n y\n .\n\n\
            Package: b\nStatus: deinstall ok config-files\nVersion: 1\n\n\n\
            Package: c\nVersion: 2\n\n\
            Package: d\nStatus: install ok half-installed\n";
        let found = parse_status(text).unwrap();
        let shown: Vec<_> = found
            .iter()
            .map(|deb| {
                let Package {
                    name,
                    architecture,
                    version,
                } = &deb.package;
                (
                    name.as_str(),
                    architecture.as_str(),
                    version.as_str(),
                    deb.source_version.as_str(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [("a", "amd64", "1:2-3", "1:2-1"), ("c", "", "2", "2")]
        );
        assert_eq!(parse_status(b"").unwrap(), []);
    }

    #[test]
    fn what_is_no_status_file_is_refused() {
        for (text, word) in [
            (&b"nonsense\n"[..], "colon"),
            (b": x\n", "colon"),
            (b" continued\n", "continued"),
            (b"Package: a\npackage: b\n", "already"),
            (b"Version: 1\n", "without a name"),
            (b"Package: a\n", "without a version"),
            (b"Package: \xff\nVersion: 1\n", "no text"),
        ] {
            let error = parse_status(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}: {word}");
        }
    }
}
