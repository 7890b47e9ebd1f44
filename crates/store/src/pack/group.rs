//! From the bytes of a group, in whatever pieces they come, to the bytes of its objects.

use std::io;
use std::sync::Arc;

use ostler_format::delta::DeltaFrame;
use ostler_format::pack::{PackGroup, PackMember};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use crate::delta::native::OldObjects;

/// The largest window that a frame may ask for, as a power of two: 8 MiB.
pub(super) const MAX_WINDOW_LOG: u32 = 23;
/// What is unpacked at once.
const PIECE: usize = 128 * 1024;

/// A group, wherever it lies.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Where it begins in its file.
    pub(crate) offset: u64,
    /// Its length there.
    pub(crate) packed: u64,
    /// Its objects, in order.
    pub(crate) members: Vec<PackMember>,
    /// How they are compressed.
    pub(crate) framing: Framing,
}

/// How a group is compressed.
#[derive(Clone, Debug)]
pub(crate) enum Framing {
    /// As frames of any length, each by itself.
    Plain,
    /// As frames of known lengths, each with pieces of old objects before it.
    AfterOld(Vec<DeltaFrame>, Arc<OldObjects>),
}

impl From<PackGroup> for Group {
    fn from(group: PackGroup) -> Self {
        Self {
            offset: group.offset,
            packed: group.packed,
            members: group.members,
            framing: Framing::Plain,
        }
    }
}

impl Group {
    /// Where it ends in its file.
    pub(crate) fn ends(&self) -> u64 {
        self.offset + self.packed
    }
}

/// Some bytes of one object.
pub(crate) struct Piece<'p> {
    /// Which of the group's objects.
    pub(crate) member: usize,
    /// The bytes that follow those before; at least one.
    pub(crate) bytes: &'p [u8],
    /// Whether the object ends with them.
    pub(crate) ends: bool,
}

/// A group that is being unpacked. In memory are a window and a piece, or a frame with what stands before it, whatever the sizes.
pub(crate) struct Unpacking {
    sizes: Vec<u64>,
    member: usize,
    /// Bytes of the object at `member` that have come.
    had: u64,
    frames: Frames,
}

enum Frames {
    Plain(Stream),
    AfterOld(Known),
}

/// Frames as they come.
struct Stream {
    decoder: Decoder<'static>,
    piece: Box<[u8]>,
    /// Whether the last frame has ended.
    whole_frame: bool,
}

/// Frames of known lengths.
struct Known {
    frames: std::vec::IntoIter<DeltaFrame>,
    old: Arc<OldObjects>,
    /// The frame that is coming, as far as it has come.
    frame: Option<DeltaFrame>,
    packed: Vec<u8>,
}

impl Unpacking {
    /// Begins with a group.
    ///
    /// # Errors
    /// If the decoder cannot be made, for want of memory.
    pub(crate) fn of(group: &Group) -> io::Result<Self> {
        let frames = match &group.framing {
            Framing::Plain => Frames::Plain(Stream::new()?),
            Framing::AfterOld(frames, old) => {
                let mut frames = frames.clone().into_iter();
                Frames::AfterOld(Known {
                    frame: frames.next(),
                    frames,
                    old: Arc::clone(old),
                    packed: Vec::new(),
                })
            }
        };
        Ok(Self {
            sizes: group.members.iter().map(|member| member.size).collect(),
            member: 0,
            had: 0,
            frames,
        })
    }

    /// Unpacks the next bytes of the group and hands over what they give.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if they are no frames or give more than the objects have, as text in `Err` of the outer
    /// kind; whatever `take` returns.
    pub(crate) fn put<E: From<io::Error>>(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let at = (&mut self.member, &mut self.had);
        let sizes = &self.sizes;
        let mut give = |bytes: &[u8]| split(sizes, (&mut *at.0, &mut *at.1), bytes, &mut take);
        match &mut self.frames {
            Frames::Plain(stream) => stream.put(bytes, &mut give),
            Frames::AfterOld(known) => known.put(bytes, &mut give),
        }
    }

    /// Ends the group.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if an object is not whole.
    pub(crate) fn finish(self) -> io::Result<()> {
        let is_whole = match &self.frames {
            Frames::Plain(stream) => stream.whole_frame,
            Frames::AfterOld(known) => known.frame.is_none(),
        };
        if self.member < self.sizes.len() || !is_whole {
            return Err(invalid("it ends before its objects do"));
        }
        Ok(())
    }
}

impl Stream {
    fn new() -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG))?;
        Ok(Self {
            decoder,
            piece: vec![0; PIECE].into(),
            whole_frame: true,
        })
    }

    fn put<E: From<io::Error>>(
        &mut self,
        bytes: &[u8],
        give: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut input = InBuffer::around(bytes);
        loop {
            let mut output = OutBuffer::around(&mut self.piece[..]);
            let left = self
                .decoder
                .run(&mut input, &mut output)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let produced = output.pos();
            self.whole_frame = left == 0;
            give(&self.piece[..produced])?;
            // A full piece may not have been all.
            if input.pos() == bytes.len() && produced < PIECE {
                return Ok(());
            }
        }
    }
}

impl Known {
    fn put<E: From<io::Error>>(
        &mut self,
        mut bytes: &[u8],
        give: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            let Some(frame) = &self.frame else {
                return Err(invalid("it has more than its frames").into());
            };
            let wanted = frame.packed - self.packed.len() as u64;
            let length = usize::try_from(wanted).unwrap_or(usize::MAX);
            let (now, rest) = bytes.split_at(length.min(bytes.len()));
            self.packed.extend_from_slice(now);
            bytes = rest;
            if self.packed.len() as u64 == frame.packed {
                let unpacked = self.old.unpack(frame, &self.packed)?;
                // Others are being received meanwhile: nothing is kept for the next one.
                self.packed = Vec::new();
                give(&unpacked)?;
                self.frame = self.frames.next();
            }
        }
        Ok(())
    }
}

fn split<E: From<io::Error>>(
    sizes: &[u64],
    (member, had): (&mut usize, &mut u64),
    mut bytes: &[u8],
    take: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
) -> Result<(), E> {
    while !bytes.is_empty() {
        let Some(size) = sizes.get(*member) else {
            return Err(invalid("it has more than its objects").into());
        };
        let wanted = usize::try_from(size - *had).unwrap_or(usize::MAX);
        let (piece, rest) = bytes.split_at(wanted.min(bytes.len()));
        *had += piece.len() as u64;
        let ends = *had == *size;
        take(Piece {
            member: *member,
            bytes: piece,
            ends,
        })?;
        if ends {
            (*member, *had) = (*member + 1, 0);
        }
        bytes = rest;
    }
    Ok(())
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(sizes: &[u64]) -> Group {
        Group {
            offset: 0,
            packed: 1,
            framing: Framing::Plain,
            members: sizes
                .iter()
                .map(|size| PackMember {
                    name: None,
                    size: *size,
                })
                .collect(),
        }
    }

    /// Unpacks in steps and returns the objects.
    fn unpack(sizes: &[u64], packed: &[u8], step: usize) -> io::Result<Vec<Vec<u8>>> {
        let mut objects = vec![Vec::new(); sizes.len()];
        let mut ended = 0;
        let mut unpacking = Unpacking::of(&group(sizes))?;
        for bytes in packed.chunks(step) {
            unpacking.put(bytes, |piece| {
                assert_eq!(piece.member, ended);
                objects[piece.member].extend_from_slice(piece.bytes);
                ended += usize::from(piece.ends);
                Ok::<_, io::Error>(())
            })?;
        }
        unpacking.finish()?;
        Ok(objects)
    }

    fn pack(bytes: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(bytes, 3).unwrap()
    }

    #[test]
    fn objects_come_out_whatever_the_pieces_and_frames() {
        let first = vec![7; 300_000];
        let second: Vec<u8> = (0..=255).cycle().take(200_000).collect();
        let all = [&first[..], &second, b"x"].concat();
        let one_frame = pack(&all);
        let frames = [
            pack(&all[..100_000]),
            pack(&all[100_000..450_000]),
            pack(&all[450_000..]),
        ]
        .concat();
        for packed in [one_frame, frames] {
            for step in [1, 13, packed.len()] {
                let objects = unpack(&[300_000, 200_000, 1], &packed, step).unwrap();
                assert!(objects[0] == first && objects[1] == second && objects[2] == b"x");
            }
        }
    }

    #[test]
    fn more_or_less_than_the_objects_is_an_error() {
        let packed = pack(&[1; 1000]);
        assert!(unpack(&[500, 500], &packed, 7).is_ok());
        for sizes in [&[500, 499][..], &[500, 501], &[1000, 1], &[999]] {
            let error = unpack(sizes, &packed, 7).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{sizes:?}");
        }
        assert!(unpack(&[1000], &packed[..packed.len() - 1], 7).is_err());
        assert!(unpack(&[1000], b"not a frame", 7).is_err());
        // A window of 2 GiB is not given.
        let huge = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
        assert!(unpack(&[1000], &huge, 9).is_err());
    }
}
