//! dpkg's `status`: paragraphs of `Field: value`, a package each.

use super::{Package, PackagesError};

/// The largest file that is read; Debian's has some kilobytes a package.
pub const MAX_BYTES: usize = 64 << 20;

/// Lists the packages of a `status` file that are installed, in its order.
///
/// Those that were removed and left configuration behind, or are half installed, are left out.
///
/// # Errors
/// [`PackagesError::TooLarge`]; [`PackagesError::Malformed`] at a line that is no field, or for a package without a name or version.
pub fn parse_status(bytes: &[u8]) -> Result<Vec<Package>, PackagesError> {
    if bytes.len() > MAX_BYTES {
        return Err(PackagesError::TooLarge {
            found: bytes.len(),
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

fn malformed(line: usize, problem: &'static str) -> PackagesError {
    PackagesError::Malformed {
        place: "line",
        found: line,
        problem,
    }
}

/// The fields of interest of one package.
#[derive(Default)]
struct Paragraph<'a> {
    any: bool,
    name: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    architecture: Option<&'a [u8]>,
    status: Option<&'a [u8]>,
}

impl<'a> Paragraph<'a> {
    fn line(&mut self, line: &'a [u8], number: usize) -> Result<(), PackagesError> {
        if matches!(line[0], b' ' | b'\t') {
            // The field before goes on.
            return match self.any {
                true => Ok(()),
                false => Err(malformed(number, "a continued line without a field")),
            };
        }
        self.any = true;
        let colon = line.iter().position(|byte| *byte == b':');
        let colon = colon.filter(|colon| *colon > 0);
        let (field, value) =
            line.split_at(colon.ok_or_else(|| malformed(number, "no field before a colon"))?);
        let slot = match field.to_ascii_lowercase().as_slice() {
            b"package" => &mut self.name,
            b"version" => &mut self.version,
            b"architecture" => &mut self.architecture,
            b"status" => &mut self.status,
            _ => return Ok(()),
        };
        if slot.replace(value[1..].trim_ascii()).is_some() {
            return Err(malformed(number, "a field that is there already"));
        }
        Ok(())
    }

    /// The package, if it is installed.
    fn end(self, line: usize) -> Result<Option<Package>, PackagesError> {
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
                .ok_or_else(|| malformed(line, problem))
                .map(str::to_owned)
        };
        Ok(Some(Package {
            name: text(self.name, "a package without a name")?,
            version: text(self.version, "an installed package without a version")?,
            architecture: match self.architecture {
                None => String::new(),
                some => text(some, "an architecture that is no text")?,
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_installed_is_listed() {
        let text = b"Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2-3\nDescription: x\n y\n .\n\n\
            Package: b\nStatus: deinstall ok config-files\nVersion: 1\n\n\n\
            Package: c\nVersion: 2\n\n\
            Package: d\nStatus: install ok half-installed\n";
        let found = parse_status(text).unwrap();
        let shown: Vec<_> = found
            .iter()
            .map(|p| (p.name.as_str(), p.architecture.as_str(), p.version.as_str()))
            .collect();
        assert_eq!(shown, [("a", "amd64", "1:2-3"), ("c", "", "2")]);
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
