//! The dirmeta object: `(uuua(ayay))`, uid, gid and mode big-endian.

use crate::checksum::{Checksum, DirMetaId};
use crate::error::{InObject as _, ObjectError};
use crate::mode::{S_IFDIR, check_mode};
use crate::object::MAX_METADATA_SIZE;
use crate::variant::{Member, split_tuple};
use crate::xattrs::Xattrs;

const OBJECT: &str = "dirmeta";
const U32: Member = Member::fixed(4, 4);
pub(crate) const LAYOUT: [Member; 4] = [U32, U32, U32, Member::variable(1)];

/// A directory's owner, mode and xattrs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DirMeta {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permissions, with [`S_IFDIR`].
    pub mode: u32,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

impl DirMeta {
    /// Parses a dirmeta object.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        check_size(OBJECT, bytes.len())?;
        let [uid, gid, mode, xattrs] = split_tuple(bytes, &LAYOUT).within(OBJECT)?;
        let mode = be_u32(mode);
        check_mode(OBJECT, mode, &[S_IFDIR])?;
        Ok(Self {
            uid: be_u32(uid),
            gid: be_u32(gid),
            mode,
            xattrs: Xattrs::parse(xattrs)?,
        })
    }

    /// The object's bytes.
    ///
    /// # Errors
    /// [`ObjectError::Mode`] if the mode is not a directory's.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ObjectError> {
        check_mode(OBJECT, self.mode, &[S_IFDIR])?;
        Ok(encode(self.uid, self.gid, self.mode, &self.xattrs))
    }

    /// The id of [`DirMeta::to_bytes`].
    pub fn id(&self) -> Result<DirMetaId, ObjectError> {
        Ok(Checksum::of(&self.to_bytes()?).into())
    }
}

pub(crate) fn encode(uid: u32, gid: u32, mode: u32, xattrs: &Xattrs) -> Vec<u8> {
    let mut out = Vec::with_capacity(12);
    for number in [uid, gid, mode] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    xattrs.encode(&mut out);
    out
}

/// A big-endian field whose size its layout has checked.
pub(crate) fn be_u32(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |number, &byte| number << 8 | u32::from(byte))
}

pub(crate) fn be_u64(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

pub(crate) fn check_size(object: &'static str, size: usize) -> Result<(), ObjectError> {
    let found = size as u64;
    if found > MAX_METADATA_SIZE {
        return Err(ObjectError::TooLarge {
            object,
            found,
            limit: MAX_METADATA_SIZE,
        });
    }
    Ok(())
}
