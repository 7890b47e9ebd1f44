//! Reads the small binary files that lead to packed objects: numbers, checksums and names, sealed by a checksum.

use super::{FOREIGN, PackMember};
use crate::checksum::Checksum;
use crate::error::ObjectError;
use crate::object::{ObjectKind, ObjectName};
use crate::varint::read_varint;

/// What is left of a file, and what it is called in messages.
pub(crate) struct Reader<'b> {
    object: &'static str,
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    /// Reads a file that ends with the SHA-256 of all before.
    pub(crate) fn of_sealed(object: &'static str, bytes: &'b [u8]) -> Result<Self, ObjectError> {
        let body = bytes
            .split_last_chunk::<32>()
            .filter(|(body, sum)| Checksum::of(body).as_bytes() == *sum)
            .map(|(body, _)| body);
        let reader = Self { object, rest: &[] };
        match body {
            Some(rest) => Ok(Self { rest, ..reader }),
            None => Err(reader.bad("its checksum is wrong")),
        }
    }

    /// Reads the first bytes, which say what it is.
    pub(crate) fn begin(&mut self, magic: &[u8], version: u8) -> Result<(), ObjectError> {
        if self.take(magic.len())? != magic {
            return Err(self.bad("it does not begin as one"));
        }
        if self.take(1)? != [version] {
            return Err(self.bad("it is of an unknown version"));
        }
        Ok(())
    }

    /// Makes sure that nothing follows.
    pub(crate) fn end(&self) -> Result<(), ObjectError> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err(self.bad("bytes follow its end")),
        }
    }

    pub(crate) fn bad(&self, problem: &'static str) -> ObjectError {
        ObjectError::Field {
            object: self.object,
            problem,
        }
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'b [u8], ObjectError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| self.bad("it ends early"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn number(&mut self) -> Result<u64, ObjectError> {
        let (number, rest) = read_varint(self.rest).ok_or_else(|| self.bad("it ends early"))?;
        self.rest = rest;
        Ok(number)
    }

    pub(crate) fn checksum(&mut self) -> Result<Checksum, ObjectError> {
        let bytes = self.take(32)?;
        Checksum::from_slice(bytes).map_err(|_| self.bad("it ends early"))
    }

    /// Reads an object's kind and length, and its name unless that is left out.
    pub(crate) fn member(&mut self) -> Result<PackMember, ObjectError> {
        let number = self.take(1)?[0];
        let name = match number {
            FOREIGN => None,
            number => Some(self.name(number)?),
        };
        let size = self.number()?;
        Ok(PackMember { name, size })
    }

    fn name(&mut self, kind: u8) -> Result<ObjectName, ObjectError> {
        let kind =
            ObjectKind::from_number(kind).map_err(|_| self.bad("an object is of no kind"))?;
        Ok(ObjectName::new(self.checksum()?, kind))
    }
}
