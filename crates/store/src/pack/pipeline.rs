//! Blocks that are read in order, compressed on some processors, and written in order.
//!
//! ```text
//! this thread   reads
//!    | blocks, bounded
//! some threads   compress each block into a frame
//!    | frames, in any order
//! one thread   puts them back in order and writes
//! ```
//! Each block needs a permit, which comes back when its frame is written: what waits for one slow block is bounded.

use std::collections::BTreeMap;
use std::io;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use ostler_format::delta::Coding;

use crate::delta::native::encode;
use crate::error::StoreError;

/// Blocks that are read and not written yet, for each thread that compresses.
pub(crate) const BLOCKS_A_THREAD: usize = 2;

/// Bytes that become one frame.
pub(crate) struct Block<T> {
    pub(crate) bytes: Vec<u8>,
    /// What the frame may refer to as if it stood before them.
    pub(crate) prefix: Vec<u8>,
    /// What the writer is to know.
    pub(crate) tag: T,
}

/// A compressed block.
pub(crate) struct Frame<T> {
    pub(crate) bytes: Vec<u8>,
    pub(crate) coding: Coding,
    pub(crate) tag: T,
}

/// Where blocks are sent.
pub(crate) struct Blocks<T> {
    sender: Sender<(u64, Block<T>)>,
    permits: Receiver<()>,
    number: u64,
}

impl<T> Blocks<T> {
    /// Waits until there is room for a block, and sends it.
    pub(crate) fn send(&mut self, block: Block<T>) -> Result<(), StoreError> {
        // The others stop early only when writing has failed, which its thread says.
        let stopped = || writing(io::ErrorKind::BrokenPipe.into());
        self.permits.recv().map_err(|_| stopped())?;
        let sent = self.sender.send((self.number, block));
        self.number += 1;
        sent.map_err(|_| stopped())
    }
}

pub(crate) fn writing(error: io::Error) -> StoreError {
    StoreError::io("writing packed objects", error)
}

/// Compresses what `read` sends on `threads` threads at a level, and gives `write` the frames in the order of the blocks.
///
/// # Errors
/// The first of `write`'s, else `read`'s.
pub(crate) fn compress_all<T: Send, R>(
    threads: usize,
    level: i32,
    read: impl FnOnce(Blocks<T>) -> Result<R, StoreError>,
    write: impl FnMut(Frame<T>) -> Result<(), StoreError> + Send,
) -> Result<R, StoreError> {
    let (sender, blocks_out) = bounded::<(u64, Block<T>)>(BLOCKS_A_THREAD * threads);
    let (frames_in, frames) = unbounded();
    let (permits_in, permits) = unbounded();
    for _ in 0..BLOCKS_A_THREAD * threads {
        // The other end is held below.
        let _ = permits_in.send(());
    }
    thread::scope(|scope| {
        for _ in 0..threads {
            let (blocks, frames) = (blocks_out.clone(), frames_in.clone());
            scope.spawn(move || compress_some(&blocks, &frames, level));
        }
        drop((blocks_out, frames_in));
        let writer = scope.spawn(move || write_all(&frames, &permits_in, write));
        let read = read(Blocks {
            sender,
            permits,
            number: 0,
        });
        let written = writer.join().expect("writing does not panic");
        // An early end of writing ends reading, too: its reason is the first.
        written.and(read)
    })
}

type Numbered<T> = (u64, io::Result<Frame<T>>);

fn compress_some<T>(blocks: &Receiver<(u64, Block<T>)>, frames: &Sender<Numbered<T>>, level: i32) {
    let mut compressor = zstd::bulk::Compressor::new(level);
    for (number, block) in blocks {
        let packed = match &mut compressor {
            _ if !block.prefix.is_empty() => encode(&block.prefix, &block.bytes, level),
            Ok(compressor) => compressor
                .compress(&block.bytes)
                .map(|bytes| (Coding::AfterPrefix, bytes)),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        let frame = packed.map(|(coding, mut bytes)| {
            bytes.shrink_to_fit();
            Frame {
                bytes,
                coding,
                tag: block.tag,
            }
        });
        if frames.send((number, frame)).is_err() {
            return;
        }
    }
}

fn write_all<T>(
    frames: &Receiver<Numbered<T>>,
    permits: &Sender<()>,
    mut write: impl FnMut(Frame<T>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for (number, frame) in frames {
        waiting.insert(number, frame.map_err(writing)?);
        while let Some(frame) = waiting.remove(&next) {
            write(frame)?;
            next += 1;
            // The reader leaves when it has read all.
            let _ = permits.send(());
        }
    }
    Ok(())
}
