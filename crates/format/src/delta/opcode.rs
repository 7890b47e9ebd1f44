//! The operations of a part: a letter, and varints after it.
//!
//! A cursor walks the objects that the part's header lists; what `S` means depends on the object at the cursor.

use crate::error::ObjectError;
use crate::object::{ObjectKind, ObjectName};
use crate::varint::{read_varint, write_varint};

const OBJECT: &str = "delta operations";

/// Bytes of the longest operation: its letter and four numbers.
pub const MAX_OPERATION_SIZE: usize = 1 + 4 * 10;

/// One step in making a part's objects. Offsets and sizes are bytes; what is in them is whatever the part says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `S` at a metadata object: it is these bytes of the part's data. The cursor advances.
    WriteMetadata {
        /// Its size.
        size: u64,
        /// Where it begins in the data.
        offset: u64,
    },
    /// `S` at a file: its content, or a symlink's target, is these bytes of the part's data. The cursor advances.
    WriteFile {
        /// Index into the table of owners and modes.
        owner: u64,
        /// Index into the table of xattrs.
        xattrs: u64,
        /// Size of the content.
        size: u64,
        /// Where it begins in the data.
        offset: u64,
    },
    /// `o`: a file's content begins.
    Open {
        /// Index into the table of owners and modes.
        owner: u64,
        /// Index into the table of xattrs.
        xattrs: u64,
        /// Size of the content when it is closed.
        size: u64,
    },
    /// `w`: appends bytes of the source if one is set, of the part's data otherwise.
    Write {
        /// How many.
        size: u64,
        /// Where they begin.
        offset: u64,
    },
    /// `r`: the file whose checksum lies in the part's data is now the source.
    SetSource {
        /// Where its 32 bytes begin.
        offset: u64,
    },
    /// `R`: no source is set from here on.
    UnsetSource,
    /// `B`: appends what the patch in the part's data makes of the source.
    Patch {
        /// Where it begins.
        offset: u64,
        /// Its size.
        size: u64,
    },
    /// `c`: the open file is whole. The cursor advances.
    Close,
}

impl Operation {
    /// Parses the operation at the start of `bytes`, for the object `current` at the cursor, and returns what follows.
    ///
    /// Whoever reads a long stream piece by piece holds at least [`MAX_OPERATION_SIZE`] bytes of it, or its end.
    ///
    /// # Errors
    /// An unknown letter, a number that is cut or too large, an object that is not there.
    pub fn parse(bytes: &[u8], current: Option<ObjectKind>) -> Result<(Self, &[u8]), ObjectError> {
        let (&letter, rest) = bytes
            .split_first()
            .ok_or_else(|| field("an operation is missing"))?;
        let mut numbers = Numbers(rest);
        let operation = match letter {
            b'S' => Self::parse_splice(&mut numbers, current)?,
            b'o' => match current {
                Some(ObjectKind::File) => Self::Open {
                    owner: numbers.next()?,
                    xattrs: numbers.next()?,
                    size: numbers.next()?,
                },
                _ => return Err(field("a file is opened where none is listed")),
            },
            b'w' => Self::Write {
                size: numbers.next()?,
                offset: numbers.next()?,
            },
            b'r' => Self::SetSource {
                offset: numbers.next()?,
            },
            b'R' => Self::UnsetSource,
            b'B' => Self::Patch {
                offset: numbers.next()?,
                size: numbers.next()?,
            },
            b'c' if current.is_some() => Self::Close,
            b'c' => return Err(field("a file is closed where none is listed")),
            _ => return Err(field("an operation has an unknown letter")),
        };
        Ok((operation, numbers.0))
    }

    fn parse_splice(
        numbers: &mut Numbers<'_>,
        current: Option<ObjectKind>,
    ) -> Result<Self, ObjectError> {
        match current {
            Some(ObjectKind::File) => Ok(Self::WriteFile {
                owner: numbers.next()?,
                xattrs: numbers.next()?,
                size: numbers.next()?,
                offset: numbers.next()?,
            }),
            Some(_) => Ok(Self::WriteMetadata {
                size: numbers.next()?,
                offset: numbers.next()?,
            }),
            None => Err(field("more objects are made than are listed")),
        }
    }

    /// Appends the operation.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (letter, numbers): (u8, &[u64]) = match *self {
            Self::WriteMetadata { size, offset } => (b'S', &[size, offset]),
            Self::WriteFile {
                owner,
                xattrs,
                size,
                offset,
            } => (b'S', &[owner, xattrs, size, offset]),
            Self::Open {
                owner,
                xattrs,
                size,
            } => (b'o', &[owner, xattrs, size]),
            Self::Write { size, offset } => (b'w', &[size, offset]),
            Self::SetSource { offset } => (b'r', &[offset]),
            Self::UnsetSource => (b'R', &[]),
            Self::Patch { offset, size } => (b'B', &[offset, size]),
            Self::Close => (b'c', &[]),
        };
        out.push(letter);
        for number in numbers {
            write_varint(*number, out);
        }
    }

    /// Whether the cursor stands at the next object after it.
    pub const fn advances(&self) -> bool {
        matches!(
            self,
            Self::WriteMetadata { .. } | Self::WriteFile { .. } | Self::Close
        )
    }
}

/// The operations of a part that is in memory, each with the object at the cursor; ends after the first error.
#[derive(Clone, Debug)]
pub struct Operations<'a> {
    bytes: &'a [u8],
    objects: &'a [ObjectName],
}

impl<'a> Operations<'a> {
    /// The operations in `bytes`, which make `objects`.
    pub const fn new(bytes: &'a [u8], objects: &'a [ObjectName]) -> Self {
        Self { bytes, objects }
    }

    /// The objects that are not made yet.
    pub const fn remaining_objects(&self) -> &'a [ObjectName] {
        self.objects
    }
}

impl Iterator for Operations<'_> {
    type Item = Result<(Operation, Option<ObjectName>), ObjectError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let object = self.objects.first().copied();
        match Operation::parse(self.bytes, object.map(|name| name.kind)) {
            Ok((operation, rest)) => {
                self.bytes = rest;
                if operation.advances() {
                    self.objects = self.objects.get(1..).unwrap_or_default();
                }
                Some(Ok((operation, object)))
            }
            Err(error) => {
                self.bytes = &[];
                Some(Err(error))
            }
        }
    }
}

/// The numbers of an operation, and what follows them.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self) -> Result<u64, ObjectError> {
        let (number, rest) =
            read_varint(self.0).ok_or_else(|| field("a number is cut or too large"))?;
        self.0 = rest;
        Ok(number)
    }
}

fn field(problem: &'static str) -> ObjectError {
    ObjectError::Field {
        object: OBJECT,
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::Checksum;

    fn name(kind: ObjectKind) -> ObjectName {
        ObjectName::new(Checksum::of(b"x"), kind)
    }

    #[test]
    fn the_same_letter_means_what_the_object_at_the_cursor_is() {
        let objects = [name(ObjectKind::DirMeta), name(ObjectKind::File)];
        let bytes = [b'S', 12, 0, b'S', 1, 2, 3, 0x80, 1];
        let read: Vec<_> = Operations::new(&bytes, &objects)
            .map(|step| step.unwrap().0)
            .collect();
        let expected = [
            Operation::WriteMetadata {
                size: 12,
                offset: 0,
            },
            Operation::WriteFile {
                owner: 1,
                xattrs: 2,
                size: 3,
                offset: 128,
            },
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn what_no_writer_writes_is_refused_and_ends_the_stream() {
        let file = [name(ObjectKind::File)];
        let meta = [name(ObjectKind::DirTree)];
        let cases: [(&[u8], &[ObjectName], &str); 7] = [
            (b"X", &file, "an unknown letter"),
            (b"S\x01", &meta, "a number is missing"),
            (&[b'r', 0xff], &file, "a number is cut"),
            (
                &[b'r', 255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
                &file,
                "a number over 64 bits",
            ),
            (b"o\x00\x00\x00", &meta, "a directory is opened"),
            (b"S\x00\x00", &[], "no object is left"),
            (b"c", &[], "nothing is left to close"),
        ];
        for (bytes, objects, why) in cases {
            let mut operations = Operations::new(bytes, objects);
            assert!(operations.next().unwrap().is_err(), "{why}");
            assert!(operations.next().is_none(), "{why}: the stream goes on");
        }
    }
}
