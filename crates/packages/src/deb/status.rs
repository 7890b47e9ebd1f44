//! dpkg's `status`: paragraphs of `Field: value`, a package each.

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
    let mut paragraph = Paragraph::default();
    let mut number = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        number += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            packages.extend(std::mem::take(&mut paragraph).end(number)?);
        } else {
            paragraph.line(line, number)?;
        }
    }
    packages.extend(paragraph.end(number)?);
    Ok(packages)
}

/// The fields of interest of one package.
#[derive(Default)]
struct Paragraph<'a> {
    any: bool,
    name: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    architecture: Option<&'a [u8]>,
    status: Option<&'a [u8]>,
    source: Option<&'a [u8]>,
}

impl<'a> Paragraph<'a> {
    fn line(&mut self, line: &'a [u8], number: usize) -> Result<(), PackagesError> {
        if matches!(line[0], b' ' | b'\t') {
            // The field before goes on.
            return match self.any {
                true => Ok(()),
                false => Err(PackagesError::at_line(
                    number,
                    "a continued line without a field",
                )),
            };
        }
        self.any = true;
        let colon = line.iter().position(|byte| *byte == b':');
        let colon = colon.filter(|colon| *colon > 0);
        let (field, value) = line.split_at(
            colon.ok_or_else(|| PackagesError::at_line(number, "no field before a colon"))?,
        );
        let slot = match field.to_ascii_lowercase().as_slice() {
            b"package" => &mut self.name,
            b"version" => &mut self.version,
            b"architecture" => &mut self.architecture,
            b"status" => &mut self.status,
            b"source" => &mut self.source,
            _ => return Ok(()),
        };
        if slot.replace(value[1..].trim_ascii()).is_some() {
            return Err(PackagesError::at_line(
                number,
                "a field that is there already",
            ));
        }
        Ok(())
    }

    /// The package, if it is installed.
    fn end(self, line: usize) -> Result<Option<InstalledDeb>, PackagesError> {
        if !self.any {
            return Ok(None);
        }
        // Trees that are put together without dpkg have no status.
        let state = self
            .status
            .map(|status| status.rsplit(|b| *b == b' ').next());
        if state.is_some_and(|state| state != Some(b"installed")) {
            return Ok(None);
        }
        let text = |value: Option<&[u8]>, problem| {
            let value = value.filter(|value| !value.is_empty());
            let value = value.and_then(|value| std::str::from_utf8(value).ok());
            value
                .ok_or_else(|| PackagesError::at_line(line, problem))
                .map(str::to_owned)
        };
        let version = text(self.version, "an installed package without a version")?;
        let built_from = self.source.map(|source| source_version(source, line));
        let source_version = built_from.transpose()?.flatten();
        Ok(Some(InstalledDeb {
            source_version: source_version.unwrap_or_else(|| version.clone()),
            package: Package {
                name: text(self.name, "a package without a name")?,
                version,
                architecture: match self.architecture {
                    None => String::new(),
                    some => text(some, "an architecture that is no text")?,
                },
            },
        }))
    }
}

/// Reads `NAME (VERSION)`; `None` if there is no version, because it is the package's.
fn source_version(source: &[u8], line: usize) -> Result<Option<String>, PackagesError> {
    let source = std::str::from_utf8(source);
    let source = source.map_err(|_| PackagesError::at_line(line, "a source that is no text"))?;
    let version = source
        .split_once('(')
        .map(|(_, version)| version.trim_end_matches(')'));
    Ok(version.map(|version| version.trim().to_owned()))
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
            (b"Package: \xff\nVersion: 1\n", "without a name"),
        ] {
            let error = parse_status(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}: {word}");
        }
    }
}
