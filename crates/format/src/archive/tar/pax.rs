//! Extended headers: records of a length, a key and a value.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::sparse::PaxSparse;

/// Xattrs of one entry, at most: Linux lists 64 KiB of their names.
const MAX_XATTRS: usize = 4096;

/// libarchive leaves the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the next entry has instead of its header's fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: PaxSparse,
}

impl Pax {
    /// Parses an extended header whole.
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Self, String> {
        let mut pax = Self::default();
        while !bytes.is_empty() {
            let (key, value, rest) = split_record(bytes)?;
            pax.take(key, value)
                .map_err(|problem| format!("its record `{}`: {problem}", key.escape_ascii()))?;
            bytes = rest;
        }
        Ok(pax)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        match key {
            b"path" => self.path = Some(name(value)?),
            b"linkpath" => self.link = Some(name(value)?),
            b"size" => self.size = Some(decimal(value)?),
            b"uid" => self.uid = Some(decimal(value)?),
            b"gid" => self.gid = Some(decimal(value)?),
            b"RHT.security.selinux" => {
                self.set_xattr(b"security.selinux".to_vec(), value.to_owned())?;
            }
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.set_xattr(name.to_owned(), value.to_owned())?;
                } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
                    let value = BASE64.decode(value).map_err(|_| "it is no base64")?;
                    self.set_xattr(unescape(name), value)?;
                } else if let Some(what) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.take(what, value)?;
                }
            }
        }
        Ok(())
    }

    /// bsdtar writes each xattr twice, in two forms: the last one counts.
    fn set_xattr(&mut self, name: Vec<u8>, value: Vec<u8>) -> Result<(), &'static str> {
        let count = self.xattrs.len();
        match self.xattrs.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None if count == MAX_XATTRS => return Err("it has more than 4096 xattrs"),
            None => self.xattrs.push((name, value)),
        }
        Ok(())
    }
}

/// Key, value, and what follows the record.
type Record<'b> = (&'b [u8], &'b [u8], &'b [u8]);

/// Splits `LENGTH KEY=VALUE\n` off, where the length is of the whole record.
fn split_record(bytes: &[u8]) -> Result<Record<'_>, String> {
    let broken = || "its extended header is no list of records".to_owned();
    let space = bytes
        .iter()
        .take(20)
        .position(|byte| *byte == b' ')
        .ok_or_else(broken)?;
    let length = decimal(&bytes[..space])
        .ok()
        .and_then(|length| usize::try_from(length).ok())
        .filter(|length| (space + 2..=bytes.len()).contains(length))
        .ok_or_else(broken)?;
    let (record, rest) = bytes.split_at(length);
    let record = record[space + 1..].strip_suffix(b"\n").ok_or_else(broken)?;
    let equals = record
        .iter()
        .position(|byte| *byte == b'=')
        .ok_or_else(broken)?;
    Ok((&record[..equals], &record[equals + 1..], rest))
}

/// A number of digits alone.
pub(super) fn decimal(text: &[u8]) -> Result<u64, &'static str> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err("it is no number");
    }
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or("it does not fit into 64 bits")
}

fn name(value: &[u8]) -> Result<Vec<u8>, &'static str> {
    match value.contains(&0) {
        true => Err("it holds NUL"),
        false => Ok(value.to_owned()),
    }
}

/// Turns `%41` into `A`; what is no such sequence stays.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let byte = (*first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .filter(|hex| hex.iter().all(u8::is_ascii_hexdigit))
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = match byte {
            Some(_) => &after[2..],
            None => after,
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_replace_the_fields_of_the_header() {
        let text = b"10 uid=50\n12 path=a=b\n26 SCHILY.xattr.user.k=v\n\n34 LIBARCHIVE.xattr.user.%25=YWI=\n12 comment=\n";
        let pax = Pax::parse(text).unwrap();
        assert_eq!((pax.uid, pax.gid), (Some(50), None));
        assert_eq!(pax.path.as_deref(), Some(&b"a=b"[..]));
        let xattrs = [
            (b"user.k".to_vec(), b"v\n".to_vec()),
            (b"user.%".to_vec(), b"ab".to_vec()),
        ];
        assert_eq!(pax.xattrs, xattrs);
    }

    #[test]
    fn broken_records_are_refused() {
        for text in [
            &b"x"[..],
            b"8 uid=50\n",
            b"11 uid=50\n",
            b"10 uid=50x",
            b"10 uid 50\n",
            b"0 \n",
            b"3 \n",
            b"11 uid=-50\n",
            b"10 uid=5x\n",
            b"31 uid=18446744073709551616000\n",
            b"99999999999999999999999 uid=1\n",
            b"10 path=\0\n",
        ] {
            assert!(Pax::parse(text).is_err(), "{}", text.escape_ascii());
        }
    }
}
