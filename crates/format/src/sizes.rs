//! The commit metadata key `ostree.sizes`: what each object of the commit takes to download and to store.

use crate::checksum::Checksum;
use crate::error::ObjectError;
use crate::object::{ObjectKind, ObjectName};
use crate::variant::{Type, Value};
use crate::varint::{read_varint, write_varint};

const OBJECT: &str = "ostree.sizes";

/// The metadata key.
pub const SIZES_KEY: &str = "ostree.sizes";

/// The sizes of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeEntry {
    /// The object.
    pub checksum: Checksum,
    /// Bytes to download.
    pub archived: u64,
    /// Bytes when unpacked: of a file's content, a symlink's target, or a metadata object.
    pub unpacked: u64,
    /// What it is; old writers did not say.
    pub kind: Option<ObjectKind>,
}

impl SizeEntry {
    /// The sizes of the object `name`.
    pub const fn new(name: ObjectName, archived: u64, unpacked: u64) -> Self {
        Self {
            checksum: name.checksum,
            archived,
            unpacked,
            kind: Some(name.kind),
        }
    }

    /// Parses one entry: checksum, two varints, and the kind's number if it is there.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        let broken = || ObjectError::Field {
            object: OBJECT,
            problem: "an entry is broken",
        };
        let (sum, rest) = bytes.split_first_chunk::<32>().ok_or_else(broken)?;
        let (archived, rest) = read_varint(rest).ok_or_else(broken)?;
        let (unpacked, rest) = read_varint(rest).ok_or_else(broken)?;
        let kind = match rest {
            [] => None,
            [number] => Some(ObjectKind::from_number(*number).map_err(|_| broken())?),
            _ => return Err(broken()),
        };
        Ok(Self {
            checksum: Checksum::new(*sum),
            archived,
            unpacked,
            kind,
        })
    }

    /// The entry's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.checksum.as_bytes().to_vec();
        write_varint(self.archived, &mut out);
        write_varint(self.unpacked, &mut out);
        out.extend(self.kind.map(ObjectKind::number));
        out
    }
}

/// Parses the value of [`SIZES_KEY`], an `aay`.
pub fn parse_sizes(value: &Value) -> Result<Vec<SizeEntry>, ObjectError> {
    let entry = |item: &Value| SizeEntry::parse(item.as_bytes().unwrap_or_default());
    match value {
        Value::Array(_, items) => items.iter().map(entry).collect(),
        _ => Err(ObjectError::Field {
            object: OBJECT,
            problem: "it is not of type aay",
        }),
    }
}

/// The value of [`SIZES_KEY`], with the entries sorted by checksum, then kind.
pub fn sizes_to_value(mut entries: Vec<SizeEntry>) -> Value {
    entries.sort_by_key(|entry| (entry.checksum, entry.kind));
    let items = entries.iter().map(|entry| Value::Bytes(entry.to_bytes()));
    Value::Array(Type::array(Type::Byte), items.collect())
}
