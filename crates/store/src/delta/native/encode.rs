//! Coding a frame, with what stands before it at hand, and reading it again.

use std::io::{self, BufRead, BufReader, Read};

use liblzma::bufread::{XzDecoder, XzEncoder};
use liblzma::stream::{Filters, LzmaOptions, Stream};
use ostler_format::delta::{Coding, Difference};
use zstd::zstd_safe::{CCtx, CParameter, DCtx, compress_bound, get_error_name};

use super::align::align;

/// Bytes before a frame from which on no level above [`LEVEL_AFTER_MUCH`] is used: filling the trees of those with so much takes longer than
/// all else, while long matches are found at any level.
const MUCH: usize = 8 << 20;
const LEVEL_AFTER_MUCH: i32 = 12;

/// The lowest level that looks for differences.
const DIFFERENCE_LEVEL: i32 = 10;
/// If one of so many bytes is fresh, Zstandard is tried, too: it finds shorter matches in what stands before.
const ONE_FRESH_OF: usize = 16;

/// What is unpacked at once of a part.
const PIECE: usize = 32 << 10;

/// How a part of a difference is compressed, as LZMA2.
struct Lzma {
    /// Bytes of its window: what unpacking takes is known from that.
    window: u32,
    literal_context_bits: u32,
    literal_position_bits: u32,
    position_bits: u32,
}

const CONTROL: Lzma = Lzma {
    window: 1 << 20,
    literal_context_bits: 3,
    literal_position_bits: 0,
    position_bits: 0,
};
/// Of two bytes each, mostly: a number below 128, and what is added.
const CHANGES: Lzma = Lzma {
    window: 4 << 20,
    literal_context_bits: 0,
    literal_position_bits: 1,
    position_bits: 1,
};
const FRESH: Lzma = Lzma {
    window: 8 << 20,
    literal_context_bits: 3,
    literal_position_bits: 0,
    position_bits: 2,
};

impl Lzma {
    fn filters(&self, preset: u32) -> io::Result<Filters> {
        let mut options = LzmaOptions::new_preset(preset).map_err(io::Error::other)?;
        options
            .dict_size(self.window)
            .literal_context_bits(self.literal_context_bits)
            .literal_position_bits(self.literal_position_bits)
            .position_bits(self.position_bits);
        let mut filters = Filters::new();
        filters.lzma2(&options);
        Ok(filters)
    }

    fn pack(&self, bytes: &[u8], preset: u32) -> io::Result<Vec<u8>> {
        let mut packed = Vec::new();
        if !bytes.is_empty() {
            let stream = Stream::new_raw_encoder(&self.filters(preset)?);
            let stream = stream.map_err(io::Error::other)?;
            XzEncoder::new_stream(bytes, stream).read_to_end(&mut packed)?;
        }
        Ok(packed)
    }

    /// Unpacks as far as is read.
    fn unpack<'p>(&self, packed: &'p [u8]) -> io::Result<Box<dyn BufRead + 'p>> {
        if packed.is_empty() {
            return Ok(Box::new(io::empty()));
        }
        let stream = Stream::new_raw_decoder(&self.filters(0)?);
        let decoder = XzDecoder::new_stream(packed, stream.map_err(io::Error::other)?);
        Ok(Box::new(BufReader::with_capacity(PIECE, Whole(decoder))))
    }
}

/// A stream that ends where its bytes do.
struct Whole<'p>(XzDecoder<&'p [u8]>);

impl Read for Whole<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.0.read(buffer)?;
        if got == 0 && !buffer.is_empty() && !self.0.get_ref().is_empty() {
            let more = "a part has more than its stream";
            return Err(io::Error::new(io::ErrorKind::InvalidData, more));
        }
        Ok(got)
    }
}

/// Codes a frame in the way that is shorter.
pub(crate) fn encode(prefix: &[u8], bytes: &[u8], level: i32) -> io::Result<(Coding, Vec<u8>)> {
    let after = || Ok((Coding::AfterPrefix, compress_after(prefix, bytes, level)?));
    if level < DIFFERENCE_LEVEL {
        return after();
    }
    let regions = align(prefix, bytes);
    let kept: usize = regions.iter().map(|region| region.length).sum();
    let difference = Difference::between(prefix, bytes, &regions);
    drop(regions);
    let preset = preset(level);
    let difference = Difference {
        control: CONTROL.pack(&difference.control, preset)?,
        changes: CHANGES.pack(&difference.changes, preset)?,
        fresh: FRESH.pack(&difference.fresh, preset)?,
    };
    let difference = (Coding::Difference, difference.to_bytes());
    if (bytes.len() - kept) * ONE_FRESH_OF < bytes.len() {
        return Ok(difference);
    }
    let after = after()?;
    Ok(match after.1.len() <= difference.1.len() {
        true => after,
        false => difference,
    })
}

/// LZMA's preset for a level of Zstandard's.
fn preset(level: i32) -> u32 {
    const EXTREME: u32 = 1 << 31;
    match level {
        ..16 => 6,
        _ => 9 | EXTREME,
    }
}

/// Reads a frame of `length` bytes, in memory for those, what stands before them and windows of 13 MiB.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for what is no such frame.
pub(super) fn decode(
    coding: Coding,
    (prefix, packed): (&[u8], &[u8]),
    length: usize,
) -> io::Result<Vec<u8>> {
    if coding == Coding::AfterPrefix {
        return unpack_after(prefix, packed, length);
    }
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let parts = Difference::parse(packed).map_err(|error| invalid(error.to_string()))?;
    let parts = Difference {
        control: CONTROL.unpack(parts.control)?,
        changes: CHANGES.unpack(parts.changes)?,
        fresh: FRESH.unpack(parts.fresh)?,
    };
    let made = parts.apply(prefix, length);
    // Bytes that end early are as wrong as others.
    made.map_err(|error| invalid(error.to_string()))
}

fn unpack_after(prefix: &[u8], packed: &[u8], length: usize) -> io::Result<Vec<u8>> {
    let failed = |code| io::Error::new(io::ErrorKind::InvalidData, get_error_name(code));
    let context = DCtx::try_create();
    let mut context = context.ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
    context.ref_prefix(prefix).map_err(failed)?;
    // Not longer: more than this is an error of the decoder's.
    let mut unpacked = Vec::with_capacity(length);
    context.decompress(&mut unpacked, packed).map_err(failed)?;
    if unpacked.len() != length {
        let less = "a frame holds less than it should";
        return Err(io::Error::new(io::ErrorKind::InvalidData, less));
    }
    Ok(unpacked)
}

/// Compresses into a frame that can be unpacked where `prefix` is at hand.
fn compress_after(prefix: &[u8], bytes: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let failed = |code| io::Error::other(get_error_name(code));
    let level = match prefix.len() > MUCH {
        true => level.min(LEVEL_AFTER_MUCH),
        false => level,
    };
    let mut context = CCtx::create();
    let reach = (prefix.len() + bytes.len()).next_power_of_two();
    // Wide enough for all of both: the finder of long matches has its tables by it.
    let window_log = reach.trailing_zeros().clamp(17, 27);
    for parameter in [
        CParameter::CompressionLevel(level),
        CParameter::WindowLog(window_log),
        CParameter::EnableLongDistanceMatching(true),
    ] {
        context.set_parameter(parameter).map_err(failed)?;
    }
    context.ref_prefix(prefix).map_err(failed)?;
    let mut packed = Vec::with_capacity(compress_bound(bytes.len()));
    context.compress2(&mut packed, bytes).map_err(failed)?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::noise;

    #[test]
    fn what_stands_before_is_found_however_much_and_far_it_is() {
        for (length, level) in [(1 << 20, 19), (MUCH + (1 << 20), 19), (MUCH + 5, 3)] {
            let prefix = noise(length, 5);
            let bytes = [&prefix[7..500_000], b"new", &prefix[length - 400_000..]].concat();
            let packed = compress_after(&prefix, &bytes, level).unwrap();
            assert!(packed.len() < 4000, "{length}: {}", packed.len());
            let unpacked = unpack_after(&prefix, &packed, bytes.len()).unwrap();
            assert!(unpacked == bytes);
        }
    }

    /// Addresses, some of which have moved.
    fn code(moved: u32) -> Vec<u8> {
        let noise = noise(60_000, 9);
        let instruction = |(number, bytes): (usize, &[u8])| {
            let address = 0x0040_0000 + 64 * (number as u32 % 512);
            let address = address + if number % 5 == 0 { moved } else { 0 };
            [bytes, &address.to_le_bytes()].concat()
        };
        noise.chunks(6).enumerate().flat_map(instruction).collect()
    }

    #[test]
    fn a_frame_is_coded_in_the_way_that_is_shorter_and_comes_out_the_same() {
        let (old, new) = (code(0), code(48));
        let prose = noise(80_000, 3);
        let shuffled: Vec<u8> = (0..8000)
            .flat_map(|number| &prose[number * 7919 % 79_000..][..6])
            .copied()
            .collect();
        for (prefix, bytes, level, coding) in [
            (&old, &new, 19, Coding::Difference),
            (&old, &new, 12, Coding::Difference),
            (&old, &new, 9, Coding::AfterPrefix),
            (&prose, &shuffled, 19, Coding::AfterPrefix),
            (&old, &old, 19, Coding::Difference),
        ] {
            let (chosen, packed) = encode(prefix, bytes, level).unwrap();
            assert_eq!(chosen, coding, "level {level}");
            let read = decode(chosen, (prefix, &packed), bytes.len()).unwrap();
            assert!(read == *bytes);
        }
        let after = compress_after(&old, &new, 19).unwrap().len();
        let (_, difference) = encode(&old, &new, 19).unwrap();
        assert!(
            difference.len() * 4 < after,
            "{} of {after}",
            difference.len()
        );
    }

    fn frame(control: &[u8], changes: &[u8], fresh: &[u8]) -> Vec<u8> {
        let parts = Difference {
            control: CONTROL.pack(control, 6).unwrap(),
            changes: CHANGES.pack(changes, 6).unwrap(),
            fresh: FRESH.pack(fresh, 6).unwrap(),
        };
        parts.to_bytes()
    }

    #[test]
    fn a_frame_that_is_damaged_or_a_bomb_is_refused() {
        let (old, new) = (code(0), code(48));
        let (coding, packed) = encode(&old, &new, 19).unwrap();
        let refused = |packed: &[u8], length| {
            let read = decode(coding, (&old, packed), length);
            let error = read.expect_err("it was read");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        };
        for length in (0..packed.len()).step_by(997) {
            refused(&packed[..length], new.len());
        }
        refused(&[&packed[..], b"more"].concat(), new.len());
        refused(&packed, new.len() - 1);
        refused(&packed, new.len() + 1);
        // Far more than it may give, in each part.
        let much = vec![0; 4 << 20];
        refused(&frame(&[], &[], &much), 64 << 10);
        refused(&frame(&much, &[], &[]), 64 << 10);
        refused(&frame(&[0, 100, 0], &much, b"fresh"), 105);
        assert_eq!(
            decode(coding, (&old, &frame(&[0, 3, 0], &[], b"!")), 4).unwrap(),
            [&old[..3], b"!"].concat()
        );
    }
}
