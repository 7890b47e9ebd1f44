//! The commit object: `(a{sv}aya(say)sstayay)`.

use crate::checksum::{Checksum, CommitId, DirMetaId, DirTreeId};
use crate::dirmeta::{be_u64, check_size};
use crate::error::{InObject as _, ObjectError};
use crate::metadata::Metadata;
use crate::variant::framing::Items;
use crate::variant::{Member, Value, push_frame, split_str, split_tuple};

const OBJECT: &str = "commit";
const BYTES: Member = Member::variable(1);
const LAYOUT: [Member; 8] = [
    Member::variable(8),
    BYTES,
    BYTES,
    BYTES,
    BYTES,
    Member::fixed(8, 8),
    BYTES,
    BYTES,
];

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Free-form metadata, covered by the id.
    pub metadata: Metadata,
    /// The commit before.
    pub parent: Option<CommitId>,
    /// Other objects by name; every known writer leaves it empty.
    pub related: Vec<(String, Checksum)>,
    /// One line on the change.
    pub subject: String,
    /// More lines on it.
    pub body: String,
    /// Seconds since 1970-01-01 UTC, stored big-endian.
    pub timestamp: u64,
    /// The root directory's listing.
    pub tree: DirTreeId,
    /// The root directory's owner, mode and xattrs.
    pub meta: DirMetaId,
}

impl Commit {
    /// Parses a commit object; what it accepts, [`Commit::to_bytes`] writes back byte for byte.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        check_size(OBJECT, bytes.len())?;
        let [
            metadata,
            parent,
            related,
            subject,
            body,
            timestamp,
            tree,
            meta,
        ] = split_tuple(bytes, &LAYOUT).within(OBJECT)?;
        Ok(Self {
            metadata: Metadata::parse(metadata)?,
            parent: match parent {
                [] => None,
                bytes => Some(checksum(bytes)?.into()),
            },
            related: parse_related(related)?,
            subject: split_str(subject).within(OBJECT)?.into(),
            body: split_str(body).within(OBJECT)?.into(),
            timestamp: be_u64(timestamp),
            tree: checksum(tree)?.into(),
            meta: checksum(meta)?.into(),
        })
    }

    /// The object's bytes.
    ///
    /// # Errors
    /// Metadata that can't be serialized, NUL in subject or body, a size over [`crate::MAX_METADATA_SIZE`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, ObjectError> {
        let mut out = self.metadata.to_bytes()?;
        let mut ends = vec![out.len()];
        if let Some(parent) = self.parent {
            out.extend_from_slice(parent.checksum().as_bytes());
        }
        ends.push(out.len());
        let related = |(name, id): &(String, Checksum)| {
            Value::Tuple(vec![
                Value::Str(name.clone()),
                Value::Bytes(id.as_bytes().to_vec()),
            ])
        };
        let related = Value::Array(related_type(), self.related.iter().map(related).collect());
        out.extend_from_slice(&related.to_bytes().within(OBJECT)?);
        ends.push(out.len());
        for text in [&self.subject, &self.body] {
            if text.contains('\0') {
                return Err(ObjectError::Field {
                    object: OBJECT,
                    problem: "NUL in its subject or body",
                });
            }
            out.extend_from_slice(text.as_bytes());
            out.push(0);
            ends.push(out.len());
        }
        out.resize(out.len().next_multiple_of(8), 0);
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(self.tree.checksum().as_bytes());
        ends.push(out.len());
        out.extend_from_slice(self.meta.checksum().as_bytes());
        push_frame(&mut out, 0, ends.into_iter().rev());
        check_size(OBJECT, out.len())?;
        Ok(out)
    }

    /// The id of [`Commit::to_bytes`].
    pub fn id(&self) -> Result<CommitId, ObjectError> {
        Ok(Checksum::of(&self.to_bytes()?).into())
    }
}

fn related_type() -> crate::variant::Type {
    crate::variant::Type::tuple(vec![
        crate::variant::Type::String,
        crate::variant::Type::array(crate::variant::Type::Byte),
    ])
}

fn checksum(bytes: &[u8]) -> Result<Checksum, ObjectError> {
    Checksum::from_slice(bytes).map_err(|_| ObjectError::ChecksumLength {
        object: OBJECT,
        found: bytes.len(),
    })
}

fn parse_related(bytes: &[u8]) -> Result<Vec<(String, Checksum)>, ObjectError> {
    let mut related = Vec::new();
    for item in Items::new(bytes, 1).within(OBJECT)? {
        let [name, id] = split_tuple(item.within(OBJECT)?, &[BYTES; 2]).within(OBJECT)?;
        related.push((split_str(name).within(OBJECT)?.into(), checksum(id)?));
    }
    Ok(related)
}
