//! rpm's header, as the table `Packages` of `rpmdb.sqlite` keeps it: without magic, an index and the data it leads into.

use super::{Package, PackagesError};

/// The largest header that is read, rpm's own limit.
pub const MAX_BYTES: usize = 256 << 20;
/// The most entries that an index has, rpm's own limit.
const MAX_ENTRIES: usize = 0xffff;
const ENTRY_BYTES: usize = 16;

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const ARCH: u32 = 1022;

const INT32: u32 = 4;
const STRING: u32 = 6;

/// Reads which package a header is of.
///
/// # Errors
/// [`PackagesError`] if the index or one of the fields is broken.
pub fn parse_header(bytes: &[u8]) -> Result<Package, PackagesError> {
    if bytes.len() > MAX_BYTES {
        return Err(PackagesError::TooLarge {
            found: bytes.len(),
            max: MAX_BYTES,
        });
    }
    let (entries, data) = split(bytes)?;
    let mut fields = Fields::default();
    for entry in entries.chunks_exact(ENTRY_BYTES) {
        fields.take(entry, data)?;
    }
    let (name, version) = (fields.name, fields.version);
    let missing = |problem| malformed(bytes.len(), problem);
    let version = version.ok_or_else(|| missing("no version"))?;
    let release = fields.release.ok_or_else(|| missing("no release"))?;
    Ok(Package {
        name: name.ok_or_else(|| missing("no name"))?.to_owned(),
        architecture: fields.arch.unwrap_or_default().to_owned(),
        version: match fields.epoch {
            Some(epoch) if epoch > 0 => format!("{epoch}:{version}-{release}"),
            _ => format!("{version}-{release}"),
        },
    })
}

fn malformed(byte: usize, problem: &'static str) -> PackagesError {
    PackagesError::Malformed {
        place: "byte",
        found: byte,
        problem,
    }
}

/// Splits a header into its index and its data.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), PackagesError> {
    let counts = bytes
        .split_at_checked(8)
        .ok_or_else(|| malformed(0, "it ends within its counts"))?;
    let count = be_u32(counts.0, 0) as usize;
    let length = be_u32(counts.0, 4) as usize;
    if count > MAX_ENTRIES {
        return Err(malformed(0, "its index is too long"));
    }
    let (index, data) = counts
        .1
        .split_at_checked(count * ENTRY_BYTES)
        .ok_or_else(|| malformed(8, "it ends within its index"))?;
    if data.len() != length {
        return Err(malformed(4, "its data is not as long as it says"));
    }
    Ok((index, data))
}

#[derive(Default)]
struct Fields<'a> {
    name: Option<&'a str>,
    version: Option<&'a str>,
    release: Option<&'a str>,
    arch: Option<&'a str>,
    epoch: Option<u32>,
}

impl<'a> Fields<'a> {
    fn take(&mut self, entry: &[u8], data: &'a [u8]) -> Result<(), PackagesError> {
        let (tag, kind, offset) = (
            be_u32(entry, 0),
            be_u32(entry, 4),
            be_u32(entry, 8) as usize,
        );
        let slot = match tag {
            NAME => &mut self.name,
            VERSION => &mut self.version,
            RELEASE => &mut self.release,
            ARCH => &mut self.arch,
            EPOCH if kind == INT32 => {
                let number = data.get(offset..).and_then(|rest| rest.first_chunk());
                let number = number.ok_or_else(|| malformed(offset, "an epoch beyond the data"))?;
                self.epoch = Some(u32::from_be_bytes(*number));
                return Ok(());
            }
            _ => return Ok(()),
        };
        if kind != STRING {
            return Err(malformed(offset, "a field that should be text"));
        }
        *slot = Some(string(data, offset)?);
        Ok(())
    }
}

fn string(data: &[u8], offset: usize) -> Result<&str, PackagesError> {
    let rest = data.get(offset..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == 0);
    let text = end.ok_or_else(|| malformed(offset, "text without an end"))?;
    std::str::from_utf8(&rest[..text]).map_err(|_| malformed(offset, "text that is not UTF-8"))
}

/// The caller has checked that four bytes are there.
fn be_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// name hello, version 1.2, release 3, epoch 1, arch noarch; also in `spec/packages.md`.
    const HELLO: &str = "0000000500000017000003e8000000060000000000000001000003e9000000060000000600000001000003ea000000060000000a00000001000003eb000000040000000c00000001000003fe00000006000000100000000168656c6c6f00312e32003300000000016e6f6172636800";

    fn hello() -> Vec<u8> {
        let digits = |i: usize| u8::from_str_radix(&HELLO[2 * i..2 * i + 2], 16).unwrap();
        (0..HELLO.len() / 2).map(digits).collect()
    }

    #[test]
    fn a_header_says_which_package_it_is_of() {
        let package = parse_header(&hello()).unwrap();
        assert_eq!(
            (
                package.name.as_str(),
                package.version.as_str(),
                package.architecture.as_str()
            ),
            ("hello", "1:1.2-3", "noarch")
        );
    }

    #[test]
    fn no_flipped_or_missing_byte_is_more_than_an_error() {
        let whole = hello();
        for length in 0..whole.len() {
            assert!(parse_header(&whole[..length]).is_err(), "{length}");
        }
        for place in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[place] ^= 1 << bit;
                let _ = parse_header(&bytes);
            }
        }
        let mut long = whole.clone();
        long.push(0);
        assert!(parse_header(&long).is_err());
    }
}
