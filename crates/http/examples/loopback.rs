//! Measures both sides over loopback, each in its own process.
//!
//! ```text
//! loopback serve DIR                        prints the URL, serves until its standard input ends
//! loopback fetch URL DIR [IN_FLIGHT] [N]    fetches each file of DIR from URL, N times over, and says how fast
//! ```

#![allow(clippy::unwrap_used, reason = "a measurement ends where it fails")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use ostler_http::{
    BodyStart, Fetcher, FetcherOptions, Mirrors, ProxyChoice, Request, ServeOptions, Sink,
    SinkFault,
};

struct Discard;

impl Sink for Discard {
    fn start(&mut self, _: &BodyStart) -> Result<(), SinkFault> {
        Ok(())
    }

    fn chunk(&mut self, _: &[u8]) -> Result<(), SinkFault> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkFault> {
        Ok(())
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", folder] => serve(Path::new(folder)),
        ["fetch", url, folder, ref rest @ ..] => {
            let number = |index: usize, default| {
                rest.get(index)
                    .map_or(default, |word: &&str| word.parse().unwrap())
            };
            fetch(url, Path::new(folder), number(0, 8), number(1, 1));
        }
        _ => panic!("serve DIR, or fetch URL DIR [IN_FLIGHT] [N]"),
    }
}

fn serve(folder: &Path) {
    let server = support::serve_folder(folder, ServeOptions::default());
    println!("http://{}", server.address());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    server.stop(std::time::Duration::from_secs(5));
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files
}

fn fetch(url: &str, folder: &Path, in_flight: usize, times: usize) {
    let mut options = FetcherOptions {
        proxy: ProxyChoice::Direct,
        ..FetcherOptions::default()
    };
    options.limits.in_flight = in_flight;
    let fetcher = Fetcher::new(&options).unwrap();
    let mirrors = Mirrors::parse([url]).unwrap();
    let files = files_below(folder);
    let failed = Arc::new(AtomicUsize::new(0));
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    let batch = fetcher.batch();
    for file in files.iter().cycle().take(files.len() * times) {
        let name = file.strip_prefix(folder).unwrap().to_str().unwrap();
        let failed = Arc::clone(&failed);
        let request = Request::new(mirrors.clone(), name, u64::MAX);
        batch.submit(request, Discard, move |_, result| {
            failed.fetch_add(usize::from(result.is_err()), Ordering::Relaxed);
        });
    }
    batch.wait();
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let counters = fetcher.counters();
    println!(
        "{} requests, {:.0}/s, {:.1} MB/s, client {:.1} us of CPU a request, {} failed",
        counters.requests,
        counters.requests as f64 / seconds,
        counters.bytes as f64 / seconds / 1e6,
        cpu * 1e6 / counters.requests as f64,
        failed.load(Ordering::Relaxed),
    );
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap())
        .sum();
    ticks as f64 / 100.0
}
