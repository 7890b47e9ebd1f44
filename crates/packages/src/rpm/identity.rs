//! Which package a header is of, and what was changed in it.

use super::{header::Header, tag};
use crate::error::PackagesError;
use crate::package::Package;

/// An entry of a changelog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Seconds since 1970-01-01 UTC.
    pub time: u64,
    /// Who made it, and often the version.
    pub author: String,
    /// What it is.
    pub text: String,
}

/// Reads which package a header is of.
///
/// # Errors
/// [`PackagesError`] if a field is broken or absent.
pub fn package(header: &Header<'_>) -> Result<Package, PackagesError> {
    let required = |tag, problem| {
        let text = header.text(tag)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| PackagesError::at_byte(0, problem))
    };
    let version = required(tag::VERSION, "no version")?;
    let release = required(tag::RELEASE, "no release")?;
    Ok(Package {
        name: required(tag::NAME, "no name")?.to_owned(),
        architecture: header.text(tag::ARCH)?.unwrap_or_default().to_owned(),
        version: match header.number(tag::EPOCH)? {
            Some(epoch) if epoch > 0 => format!("{epoch}:{version}-{release}"),
            _ => format!("{version}-{release}"),
        },
    })
}

/// Reads a header's changelog, the newest entry first.
///
/// # Errors
/// [`PackagesError`] if a field is broken.
pub fn changelog(header: &Header<'_>) -> Result<Vec<Change>, PackagesError> {
    let times = header.numbers(tag::CHANGELOG_TIME)?;
    let authors = header.texts(tag::CHANGELOG_NAME)?;
    let texts = header.texts(tag::CHANGELOG_TEXT)?;
    let entries = times.into_iter().zip(authors).zip(texts);
    Ok(entries
        .map(|((time, author), text)| Change {
            time,
            author: author.into_owned(),
            text: text.into_owned(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// name hello, version 1.2, release 3, epoch 1, arch noarch; also in `spec/databases.md`.
    const HELLO: &str = "0000000500000017000003e8000000060000000000000001000003e9000000060000000600000001000003ea000000060000000a00000001000003eb000000040000000c00000001000003fe00000006000000100000000168656c6c6f00312e32003300000000016e6f6172636800";

    fn hello() -> Vec<u8> {
        let digits = |i: usize| u8::from_str_radix(&HELLO[2 * i..2 * i + 2], 16).unwrap();
        (0..HELLO.len() / 2).map(digits).collect()
    }

    fn read(bytes: &[u8]) -> Result<Package, PackagesError> {
        let header = Header::parse(bytes)?;
        changelog(&header)?;
        package(&header)
    }

    #[test]
    fn a_header_says_which_package_it_is_of() {
        let found = read(&hello()).unwrap();
        let expected = ("hello", "1:1.2-3", "noarch");
        assert_eq!(
            (
                found.name.as_str(),
                found.version.as_str(),
                found.architecture.as_str()
            ),
            expected
        );
    }

    #[test]
    fn no_flipped_or_missing_byte_is_more_than_an_error() {
        let whole = hello();
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
        for place in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[place] ^= 1 << bit;
                let _ = read(&bytes);
            }
        }
        let mut long = whole.clone();
        long.push(0);
        assert!(read(&long).is_err());
    }

    #[test]
    fn a_count_that_lies_takes_no_memory() {
        // One list of 2^31 texts, of which there is one.
        let mut bytes = Vec::new();
        for number in [1_u32, 2, tag::CHANGELOG_TEXT, 8, 0, 1 << 31] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(b"a\0");
        let header = Header::parse(&bytes).unwrap();
        assert!(header.texts(tag::CHANGELOG_TEXT).is_err());
        assert!(header.numbers(tag::CHANGELOG_TEXT).is_err());
    }
}
