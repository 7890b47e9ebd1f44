//! One deflate stream made by all processors.
//!
//! The content is cut into blocks of [`BLOCK_BYTES`]. Each is compressed on its own, with the 32 KiB before it as dictionary,
//! and ends at a byte boundary (a sync flush), so that the blocks put one after the other are one raw deflate stream. Where
//! the cuts are depends on nothing but the content: every machine makes the same bytes.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use flate2::{Compress, Compression, FlushCompress, Status};

/// Content from this length on is compressed in blocks.
pub(super) const PARALLEL_FROM: u64 = 4 << 20;
/// Bytes of content in a block.
const BLOCK_BYTES: usize = 512 << 10;
/// How far deflate looks back.
const WINDOW_BYTES: usize = 32 << 10;
/// What is looked at to tell that a block does not get smaller.
const PROBE_BYTES: usize = 16 << 10;

/// Compresses what is written to it, and writes the stream to `out`.
pub(super) struct BlockDeflater<W> {
    out: W,
    block: Vec<u8>,
    /// The end of the block before.
    window: Vec<u8>,
    jobs: Sender<Job>,
    waiting: VecDeque<Receiver<io::Result<Vec<u8>>>>,
    most_waiting: usize,
}

struct Job {
    content: Vec<u8>,
    window: Vec<u8>,
    is_last: bool,
    answer: Sender<io::Result<Vec<u8>>>,
}

/// How many threads of this process compress.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// One of them.
struct Running;

impl Running {
    fn new() -> Self {
        RUNNING.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<W: Write> BlockDeflater<W> {
    /// Starts the threads; they end with it.
    pub(super) fn new(out: W, level: u32) -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        // Several files are compressed at once: together they have two threads a processor, each has at least one.
        let wanted = (2 * cores)
            .saturating_sub(RUNNING.load(Ordering::Relaxed))
            .clamp(1, cores);
        let (jobs, queue) = unbounded::<Job>();
        let mut threads = 0;
        for _ in 0..wanted {
            let (queue, running) = (queue.clone(), Running::new());
            let spawned = thread::Builder::new().spawn(move || {
                work(&queue, level);
                drop(running);
            });
            match spawned {
                Ok(_) => threads += 1,
                // Where threads are limited, fewer will do.
                Err(error) if threads == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(Self {
            out,
            block: Vec::with_capacity(BLOCK_BYTES),
            window: Vec::new(),
            jobs,
            waiting: VecDeque::new(),
            most_waiting: threads * 2,
        })
    }

    /// Ends the stream and returns what it was written to.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.hand_over(true)?;
        while let Some(answer) = self.waiting.pop_front() {
            self.write_answer(&answer)?;
        }
        Ok(self.out)
    }

    fn hand_over(&mut self, is_last: bool) -> io::Result<()> {
        if self.waiting.len() == self.most_waiting
            && let Some(answer) = self.waiting.pop_front()
        {
            self.write_answer(&answer)?;
        }
        let content = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK_BYTES));
        let from = content.len().saturating_sub(WINDOW_BYTES);
        let window = std::mem::replace(&mut self.window, content[from..].to_vec());
        let (answer, receiver) = bounded(1);
        let job = Job {
            content,
            window,
            is_last,
            answer,
        };
        self.jobs.send(job).map_err(|_| gone())?;
        self.waiting.push_back(receiver);
        Ok(())
    }

    fn write_answer(&mut self, answer: &Receiver<io::Result<Vec<u8>>>) -> io::Result<()> {
        let packed = answer.recv().map_err(|_| gone())??;
        self.out.write_all(&packed)
    }
}

impl<W: Write> Write for BlockDeflater<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == BLOCK_BYTES {
            self.hand_over(false)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gone() -> io::Error {
    io::Error::other("a compressing thread has ended")
}

fn work(queue: &Receiver<Job>, level: u32) {
    let mut compressor = Compress::new(Compression::new(level), false);
    let mut probe = Compress::new(Compression::fast(), false);
    for job in queue {
        let packed = if gets_smaller(&mut probe, &job.content) {
            deflate(&mut compressor, &job)
        } else {
            Ok(store(&job))
        };
        // Whoever waited may have given up.
        let _ = job.answer.send(packed);
    }
}

fn deflate(compressor: &mut Compress, job: &Job) -> io::Result<Vec<u8>> {
    compressor.reset();
    if !job.window.is_empty() {
        compressor.set_dictionary(&job.window)?;
    }
    let flush = match job.is_last {
        true => FlushCompress::Finish,
        false => FlushCompress::Sync,
    };
    let mut packed = Vec::with_capacity(job.content.len() / 2 + 256);
    let mut rest = &job.content[..];
    loop {
        let before = compressor.total_in();
        let status = compressor.compress_vec(rest, &mut packed, flush)?;
        let taken = usize::try_from(compressor.total_in() - before).unwrap_or(rest.len());
        rest = &rest[taken..];
        let has_room = packed.len() < packed.capacity();
        match job.is_last {
            true if status == Status::StreamEnd => return Ok(packed),
            // A sync flush is complete once it leaves room.
            false if rest.is_empty() && has_room => return Ok(packed),
            _ => packed.reserve(rest.len() / 2 + 4096),
        }
    }
}

/// Whether a part from the block's start, middle or end gets smaller: random and compressed data do not.
fn gets_smaller(probe: &mut Compress, content: &[u8]) -> bool {
    if content.len() < 4 * PROBE_BYTES {
        return true;
    }
    let middle = content.len() / 2;
    [0, middle, content.len() - PROBE_BYTES]
        .into_iter()
        .any(|from| {
            let sample = &content[from..from + PROBE_BYTES];
            // Room for more than it can become: a stream must have ended before its compressor is used again.
            let mut packed = [0; PROBE_BYTES + PROBE_BYTES / 4];
            probe.reset();
            let status = probe.compress(sample, &mut packed, FlushCompress::Finish);
            match status {
                Ok(Status::StreamEnd) => {
                    probe.total_out() < (PROBE_BYTES - PROBE_BYTES / 64) as u64
                }
                _ => true,
            }
        })
}

/// The block in deflate's stored form: a byte for the kind, the length twice, the bytes.
fn store(job: &Job) -> Vec<u8> {
    const MOST: usize = 0xffff;
    let pieces = job.content.len().div_ceil(MOST).max(1);
    let mut packed = Vec::with_capacity(job.content.len() + pieces * 5);
    let mut chunks = job.content.chunks(MOST).peekable();
    while let Some(chunk) = chunks.next() {
        packed.push(u8::from(job.is_last && chunks.peek().is_none()));
        let length = u16::try_from(chunk.len()).expect("a chunk is at most 65535 bytes");
        packed.extend_from_slice(&length.to_le_bytes());
        packed.extend_from_slice(&(!length).to_le_bytes());
        packed.extend_from_slice(chunk);
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::noise;
    use flate2::read::DeflateDecoder;
    use std::io::Read;

    fn text(length: usize) -> Vec<u8> {
        (0..)
            .flat_map(|n: u32| format!("line {n} of {}\n", n % 91).into_bytes())
            .take(length)
            .collect()
    }

    fn pack(content: &[u8], step: usize) -> Vec<u8> {
        pack_at(6, content, step)
    }

    fn pack_at(level: u32, content: &[u8], step: usize) -> Vec<u8> {
        let mut deflater = BlockDeflater::new(Vec::new(), level).unwrap();
        for chunk in content.chunks(step.max(1)) {
            deflater.write_all(chunk).unwrap();
        }
        deflater.finish().unwrap()
    }

    #[test]
    fn blocks_are_one_stream_that_gives_the_content_back() {
        let mixed = [text(700_000), noise(1_300_000, 7), text(900_000)].concat();
        // Too little noise to be noticed, so that it goes through the compressor.
        let mut spots = text(3 * BLOCK_BYTES);
        for from in (40_000..spots.len() - 40_000).step_by(100_000) {
            spots[from..from + 40_000].copy_from_slice(&noise(40_000, 7));
        }
        for content in [
            Vec::new(),
            text(1),
            text(BLOCK_BYTES - 1),
            text(BLOCK_BYTES),
            text(BLOCK_BYTES + 1),
            text(5 * BLOCK_BYTES + 77),
            noise(3 * BLOCK_BYTES, 7),
            noise(3 * BLOCK_BYTES + 1, 7),
            mixed,
            spots,
        ] {
            for level in 1..=9 {
                let packed = pack_at(level, &content, 100_000);
                let mut decoder = DeflateDecoder::new(&packed[..]);
                let mut unpacked = Vec::new();
                decoder.read_to_end(&mut unpacked).unwrap();
                assert!(unpacked == content, "{} bytes at {level}", content.len());
                assert_eq!(decoder.total_in(), packed.len() as u64, "nothing follows");
            }
        }
    }

    #[test]
    fn the_bytes_depend_on_the_content_alone() {
        let content = text(2_000_000);
        assert!(pack(&content, 1000) == pack(&content, 333_333));
    }

    #[test]
    fn cutting_costs_next_to_nothing_and_noise_does_not_grow() {
        let content = text(8 * BLOCK_BYTES);
        let mut whole = flate2::write::DeflateEncoder::new(Vec::new(), Compression::new(6));
        whole.write_all(&content).unwrap();
        let (whole, cut) = (whole.finish().unwrap().len(), pack(&content, 1 << 20).len());
        assert!(cut * 100 < whole * 103, "{cut} against {whole}");
        let noise = noise(4 * BLOCK_BYTES, 7);
        assert!(pack(&noise, 1 << 20).len() < noise.len() + noise.len() / 1000);
    }
}
