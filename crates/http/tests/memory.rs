//! What a large file costs in memory; alone in its process, since the peak is the process's.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use std::fs::File;

use ostler_http::{BodyStart, Fetcher, Request, ServeOptions, Sink, SinkFault};
use support::{mirrors, quick, run_one, serve_folder};

#[test]
fn a_large_file_is_streamed_within_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve_folder(folder.path(), ServeOptions::default());
    let huge = File::create(folder.path().join("huge")).unwrap();
    huge.set_len(600 << 20).unwrap();
    let before = peak_kib();
    let fetcher = Fetcher::new(&quick()).unwrap();
    let request = Request::new(mirrors(server.address()), "huge", 1 << 30);
    let (sink, result) = run_one(&fetcher, request, Counting(0));
    assert_eq!(result.unwrap().total_bytes, 600 << 20);
    assert_eq!(sink.0, 600 << 20);
    let grown = peak_kib() - before;
    assert!(
        grown < 64 << 10,
        "both sides together took {grown} KiB more"
    );
}

struct Counting(u64);

impl Sink for Counting {
    fn start(&mut self, start: &BodyStart) -> Result<(), SinkFault> {
        self.0 = start.resumed_at;
        Ok(())
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<(), SinkFault> {
        self.0 += bytes.len() as u64;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkFault> {
        Ok(())
    }
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let number = line.split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}
