//! The map of deltas in summaries and in `delta-indexes/`: each delta's name and the SHA-256 of its superblock.

use super::name::DeltaName;
use crate::checksum::{Checksum, CommitId};
use crate::error::ObjectError;
use crate::metadata::Metadata;
use crate::variant::Value;

const OBJECT: &str = "delta index";

/// The key of the map in a summary's metadata and in an index.
pub const DELTAS_KEY: &str = "ostree.static-deltas";

/// Deltas and the checksums of their superblocks, in stored order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeltaIndex {
    /// Each delta with the SHA-256 of its superblock.
    pub deltas: Vec<(DeltaName, Checksum)>,
}

impl DeltaIndex {
    /// Where the deltas that lead to a commit are listed in a repository.
    pub fn path(commit: CommitId) -> String {
        let name = commit.checksum().to_delta_name();
        format!("delta-indexes/{}/{}.index", &name[..2], &name[2..])
    }

    /// Parses a file below `delta-indexes/`; one without the map lists nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        match Metadata::parse(bytes)?.get(DELTAS_KEY) {
            Some(map) => Self::from_value(map.clone()),
            None => Ok(Self::default()),
        }
    }

    /// Takes the map `a{sv}` apart.
    pub fn from_value(map: Value) -> Result<Self, ObjectError> {
        let entry = |(key, value): (&str, &Value)| {
            let name = key.parse().map_err(|_| field("a key is no delta's name"))?;
            let sum = value
                .as_bytes()
                .ok_or_else(|| field("a value is no checksum"))?;
            let sum = Checksum::from_slice(sum).map_err(|_| ObjectError::ChecksumLength {
                object: OBJECT,
                found: sum.len(),
            })?;
            Ok((name, sum))
        };
        let deltas = Metadata::from_value(map)?
            .iter()
            .map(entry)
            .collect::<Result<_, _>>()?;
        Ok(Self { deltas })
    }

    /// The map `a{sv}`, in the order of [`DeltaIndex::deltas`].
    pub fn to_value(&self) -> Value {
        let mut map = Metadata::new();
        for (name, superblock) in &self.deltas {
            map.push(
                name.to_string(),
                Value::Bytes(superblock.as_bytes().to_vec()),
            );
        }
        map.to_value()
    }

    /// The bytes of a file below `delta-indexes/`.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ObjectError> {
        let mut index = Metadata::new();
        index.push(DELTAS_KEY, self.to_value());
        index.to_bytes()
    }

    /// The checksum of the superblock of this delta.
    pub fn find(&self, name: &DeltaName) -> Option<Checksum> {
        let found = self.deltas.iter().find(|(listed, _)| listed == name)?;
        Some(found.1)
    }
}

fn field(problem: &'static str) -> ObjectError {
    ObjectError::Field {
        object: OBJECT,
        problem,
    }
}
