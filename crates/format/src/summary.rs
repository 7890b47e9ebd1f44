//! A repository's summary file: `(a(s(taya{sv}))a{sv})`, its refs and facts about it.

use crate::checksum::{Checksum, CommitId};
use crate::delta::{DELTAS_KEY, DeltaIndex};
use crate::dirmeta::check_size;
use crate::error::{InObject as _, ObjectError};
use crate::metadata::Metadata;
use crate::variant::{Type, Value};

const OBJECT: &str = "summary";

/// A summary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The refs, sorted by the names' bytes.
    pub refs: Vec<SummaryRef>,
    /// Everything else, known keys and unknown ones, in stored order.
    pub metadata: Metadata,
}

/// One ref in a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryRef {
    /// Its name.
    pub name: String,
    /// Bytes in the commit object, stored little-endian.
    pub commit_size: u64,
    /// The commit that it points to.
    pub commit: CommitId,
    /// Facts about that commit.
    pub metadata: Metadata,
}

impl SummaryRef {
    /// The commit's timestamp (`ostree.commit.timestamp`, stored big-endian): seconds since 1970-01-01 UTC.
    pub fn timestamp(&self) -> Option<u64> {
        self.metadata.get("ostree.commit.timestamp")?.as_u64_be()
    }

    /// The commit's version (`ostree.commit.version`).
    pub fn version(&self) -> Option<&str> {
        self.metadata.get_str("ostree.commit.version")
    }
}

impl Summary {
    /// Parses a summary; what it accepts, [`Summary::to_bytes`] writes back byte for byte.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        check_size(OBJECT, bytes.len())?;
        let ty = Type::tuple(vec![refs_type(), Type::vardict()]);
        let Value::Tuple(parts) = Value::parse(&ty, bytes).within(OBJECT)? else {
            return Err(shape());
        };
        let [refs, metadata] = <[Value; 2]>::try_from(parts).map_err(|_| shape())?;
        Ok(Self {
            refs: refs_from_value(refs)?,
            metadata: Metadata::from_value(metadata)?,
        })
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// Refs that are repeated or out of order; metadata that can't be serialized.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ObjectError> {
        check_order(&self.refs)?;
        let parts = vec![refs_to_value(&self.refs), self.metadata.to_value()];
        let bytes = Value::Tuple(parts).to_bytes().within(OBJECT)?;
        check_size(OBJECT, bytes.len())?;
        Ok(bytes)
    }

    /// The ref of this name.
    pub fn find(&self, name: &str) -> Option<&SummaryRef> {
        let index = self
            .refs
            .binary_search_by(|found| found.name.as_str().cmp(name))
            .ok()?;
        Some(&self.refs[index])
    }

    /// When it was made (`ostree.summary.last-modified`, stored big-endian): seconds since 1970-01-01 UTC.
    pub fn last_modified(&self) -> Option<u64> {
        self.metadata
            .get("ostree.summary.last-modified")?
            .as_u64_be()
    }

    /// When it goes stale (`ostree.summary.expires`, stored big-endian): seconds since 1970-01-01 UTC.
    pub fn expires(&self) -> Option<u64> {
        self.metadata.get("ostree.summary.expires")?.as_u64_be()
    }

    /// The repository's mode as it spells it (`ostree.summary.mode`).
    pub fn mode(&self) -> Option<&str> {
        self.metadata.get_str("ostree.summary.mode")
    }

    /// Whether deleted commits leave tombstones (`ostree.summary.tombstone-commits`).
    pub fn tombstone_commits(&self) -> Option<bool> {
        self.metadata
            .get("ostree.summary.tombstone-commits")?
            .as_bool()
    }

    /// Whether deltas are listed in index files (`ostree.summary.indexed-deltas`).
    pub fn indexed_deltas(&self) -> Option<bool> {
        self.metadata
            .get("ostree.summary.indexed-deltas")?
            .as_bool()
    }

    /// The collection that [`Summary::refs`] belong to (`ostree.summary.collection-id`).
    pub fn collection_id(&self) -> Option<&str> {
        self.metadata.get_str("ostree.summary.collection-id")
    }

    /// The refs of other collections (`ostree.summary.collection-map`), empty if there is none.
    pub fn collection_map(&self) -> Result<Vec<(String, Vec<SummaryRef>)>, ObjectError> {
        let Some(map) = self.metadata.get("ostree.summary.collection-map") else {
            return Ok(Vec::new());
        };
        let entry = |item: &Value| match item.as_entry() {
            Some((Value::Str(id), refs)) => Ok((id.clone(), refs_from_value(refs.clone())?)),
            _ => Err(shape()),
        };
        map.items().ok_or_else(shape)?.iter().map(entry).collect()
    }

    /// The static deltas that it lists (`ostree.static-deltas`).
    pub fn static_deltas(&self) -> Result<DeltaIndex, ObjectError> {
        let map = self.metadata.get(DELTAS_KEY).cloned();
        map.map_or_else(|| Ok(DeltaIndex::default()), DeltaIndex::from_value)
    }
}

fn shape() -> ObjectError {
    ObjectError::Field {
        object: OBJECT,
        problem: "a field has another type than it must",
    }
}

fn checksum(bytes: &[u8]) -> Result<Checksum, ObjectError> {
    Checksum::from_slice(bytes).map_err(|_| ObjectError::ChecksumLength {
        object: OBJECT,
        found: bytes.len(),
    })
}

/// `a(s(taya{sv}))`
fn refs_type() -> Type {
    let facts = Type::tuple(vec![Type::Uint64, Type::array(Type::Byte), Type::vardict()]);
    Type::array(Type::tuple(vec![Type::String, facts]))
}

fn refs_from_value(value: Value) -> Result<Vec<SummaryRef>, ObjectError> {
    let Value::Array(_, items) = value else {
        return Err(shape());
    };
    let refs = items
        .into_iter()
        .map(ref_from_value)
        .collect::<Result<Vec<_>, _>>()?;
    check_order(&refs)?;
    Ok(refs)
}

fn ref_from_value(value: Value) -> Result<SummaryRef, ObjectError> {
    let Value::Tuple(parts) = value else {
        return Err(shape());
    };
    let [Value::Str(name), Value::Tuple(facts)] =
        <[Value; 2]>::try_from(parts).map_err(|_| shape())?
    else {
        return Err(shape());
    };
    let [Value::Uint64(commit_size), Value::Bytes(commit), metadata] =
        <[Value; 3]>::try_from(facts).map_err(|_| shape())?
    else {
        return Err(shape());
    };
    Ok(SummaryRef {
        name,
        commit_size,
        commit: checksum(&commit)?.into(),
        metadata: Metadata::from_value(metadata)?,
    })
}

/// The `a(s(taya{sv}))` of refs, as in a summary and in its collection map.
pub fn refs_to_value(refs: &[SummaryRef]) -> Value {
    let tuple = |r: &SummaryRef| {
        let commit = r.commit.checksum().as_bytes().to_vec();
        let facts = vec![
            Value::Uint64(r.commit_size),
            Value::Bytes(commit),
            r.metadata.to_value(),
        ];
        Value::Tuple(vec![Value::Str(r.name.clone()), Value::Tuple(facts)])
    };
    let Type::Array(element) = refs_type() else {
        return Value::Tuple(Vec::new());
    };
    Value::Array(Type::clone(&element), refs.iter().map(tuple).collect())
}

/// The `a{sa(s(taya{sv}))}` of a summary's collection map.
pub fn collection_map_to_value<'a>(
    collections: impl IntoIterator<Item = (&'a str, &'a [SummaryRef])>,
) -> Value {
    let entry = |(id, refs): (&str, &[SummaryRef])| {
        Value::DictEntry(Box::new(Value::from(id)), Box::new(refs_to_value(refs)))
    };
    let ty = Type::dict_entry(Type::String, refs_type()).expect("a string may be a key");
    Value::Array(ty, collections.into_iter().map(entry).collect())
}

fn check_order(refs: &[SummaryRef]) -> Result<(), ObjectError> {
    match refs.windows(2).find(|two| two[0].name >= two[1].name) {
        Some(two) => Err(ObjectError::Order {
            object: OBJECT,
            name: two[1].name.clone(),
        }),
        None => Ok(()),
    }
}
