//! bsdiff patches as deltas have them: no header, no compression.
//!
//! A patch is a sequence of three numbers, each eight bytes little-endian with the sign in the top bit, followed by bytes: as many as the
//! first number says are added to the source's, as many as the second says are new; then the place in the source moves by
//! the third. It ends when the new content has its length.

use std::io;

/// What is patched at once.
const CHUNK: usize = 64 << 10;
/// Bytes of the three numbers.
const CONTROL: usize = 24;

/// Where a patch is read, what it changes, and where the result goes.
pub(super) trait PatchPort {
    /// Fills `buffer` with the next bytes of the patch.
    fn patch(&mut self, buffer: &mut [u8]) -> io::Result<()>;
    /// Fills `buffer` with the source from `offset` on, zeros where there is none.
    fn source(&mut self, offset: i64, buffer: &mut [u8]) -> io::Result<()>;
}

/// Applies a patch that makes `size` bytes, and hands them over.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for numbers that no writer writes; those of `port`, and of `put`.
pub(super) fn apply<E: From<io::Error>>(
    port: &mut dyn PatchPort,
    size: u64,
    mut put: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut made = 0_u64;
    let mut at = 0_i64;
    let (mut buffer, mut old) = (vec![0; CHUNK], vec![0; CHUNK]);
    while made < size {
        let mut control = [0; CONTROL];
        port.patch(&mut control)?;
        let [add, new, seek] = [0, 8, 16].map(|start| number(&control[start..start + 8]));
        let (add, new) = (length(add, size - made)?, length(new, size - made)?);
        if add + new > size - made || (add + new == 0 && seek == 0) {
            return Err(invalid("a patch makes more than the file has, or nothing").into());
        }
        let mut left = add;
        while left > 0 {
            let now = left.min(CHUNK as u64) as usize;
            port.patch(&mut buffer[..now])?;
            port.source(at, &mut old[..now])?;
            for (byte, old) in buffer[..now].iter_mut().zip(&old[..now]) {
                *byte = byte.wrapping_add(*old);
            }
            put(&buffer[..now])?;
            at = at
                .checked_add(now as i64)
                .ok_or_else(|| invalid("a patch leaves its source"))?;
            left -= now as u64;
        }
        let mut left = new;
        while left > 0 {
            let now = left.min(CHUNK as u64) as usize;
            port.patch(&mut buffer[..now])?;
            put(&buffer[..now])?;
            left -= now as u64;
        }
        made += add + new;
        at = at
            .checked_add(seek)
            .ok_or_else(|| invalid("a patch leaves its source"))?;
    }
    Ok(())
}

fn length(number: i64, most: u64) -> io::Result<u64> {
    u64::try_from(number)
        .ok()
        .filter(|length| *length <= most)
        .ok_or_else(|| invalid("a patch has a length that cannot be"))
}

/// Sign and magnitude, little-endian.
fn number(bytes: &[u8]) -> i64 {
    let mut all = [0; 8];
    all.copy_from_slice(bytes);
    let magnitude = (u64::from_le_bytes(all) & !(1 << 63)) as i64;
    if bytes[7] & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// What a patch in memory makes of a source in memory, for tests.
#[cfg(test)]
pub(crate) fn patched(source: &[u8], patch: &[u8], size: u64) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    apply(&mut tests::InMemory { patch, source }, size, |bytes| {
        out.extend_from_slice(bytes);
        Ok::<_, io::Error>(())
    })?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) struct InMemory<'m> {
        pub(super) patch: &'m [u8],
        pub(super) source: &'m [u8],
    }

    impl PatchPort for InMemory<'_> {
        fn patch(&mut self, buffer: &mut [u8]) -> io::Result<()> {
            io::Read::read_exact(&mut self.patch, buffer)
        }

        fn source(&mut self, offset: i64, buffer: &mut [u8]) -> io::Result<()> {
            for (index, byte) in buffer.iter_mut().enumerate() {
                let at = usize::try_from(offset + index as i64).ok();
                *byte = at.and_then(|at| self.source.get(at)).copied().unwrap_or(0);
            }
            Ok(())
        }
    }

    fn patch(steps: &[(i64, i64, i64, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (add, new, seek, bytes) in steps {
            for number in [*add, *new, *seek] {
                let sign = if number < 0 { 1 << 63 } else { 0 };
                out.extend_from_slice(&(number.unsigned_abs() | sign).to_le_bytes());
            }
            out.extend_from_slice(bytes);
        }
        out
    }

    #[test]
    fn bytes_are_added_inserted_and_the_source_is_moved_in() {
        let patch = patch(&[(3, 2, -3, b"\0\x01\0XY"), (4, 0, 0, b"\0\0\0\x0a")]);
        assert_eq!(patched(b"abcdef", &patch, 9).unwrap(), b"accXYabcn");
        // What lies outside of the source counts as zeros.
        let outside = self::patch(&[(0, 0, 5, b""), (3, 0, 0, b"\0zz")]);
        assert_eq!(patched(b"abcdef", &outside, 3).unwrap(), b"fzz");
    }

    #[test]
    fn numbers_that_lie_are_refused() {
        for steps in [
            (-1, 0, 0, &b""[..]),
            (0, -1, 0, b""),
            (10, 0, 0, b"0123456789"),
            (2, 2, 0, b"0123"),
            (0, 0, 0, b""),
            (i64::MAX, i64::MAX, 0, b""),
        ] {
            assert!(patched(b"abc", &patch(&[steps]), 3).is_err(), "{steps:?}");
        }
        assert!(patched(b"abc", &patch(&[(3, 0, 0, b"\0\0")]), 3).is_err());
        let far = patch(&[
            (0, 0, i64::MAX, b""),
            (0, 0, i64::MAX, b""),
            (1, 0, 0, b"x"),
        ]);
        assert!(patched(b"abc", &far, 3).is_err());
    }
}
