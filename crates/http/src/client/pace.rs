//! A limit on the bytes of a second, over all connections together.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What may come at once after a silence, as time at the full rate.
const BURST: Duration = Duration::from_millis(100);
/// So many bytes of a second are worth a connection; a slower one looks dead to its server.
const BYTES_A_CONNECTION: u64 = 32 << 10;
const SMALLEST_WINDOW: u64 = 64 << 10;

/// Holds those who take bytes to a rate.
pub(crate) struct Pace {
    started: Instant,
    bucket: Option<Mutex<Bucket>>,
}

impl Pace {
    /// `None` is no limit.
    pub(crate) fn new(bytes_per_second: Option<NonZeroU64>) -> Self {
        Self {
            started: Instant::now(),
            bucket: bytes_per_second.map(|rate| Mutex::new(Bucket::new(rate))),
        }
    }

    /// Waits until `bytes` that have come are within the rate.
    pub(crate) async fn take(&self, bytes: u64) {
        let Some(bucket) = &self.bucket else {
            return;
        };
        let now = self.started.elapsed();
        let wait = {
            let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.take(now, bytes)
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

/// A bucket that is told the time: how far ahead of the rate the bytes are.
struct Bucket {
    bytes_per_second: NonZeroU64,
    /// When all that was taken is within the rate.
    even_at: Duration,
}

impl Bucket {
    fn new(bytes_per_second: NonZeroU64) -> Self {
        Self {
            bytes_per_second,
            even_at: Duration::ZERO,
        }
    }

    /// Takes `bytes` at the time `now`, and returns for how long nothing more may be taken by whoever asks.
    fn take(&mut self, now: Duration, bytes: u64) -> Duration {
        let due = bytes as f64 / self.bytes_per_second.get() as f64;
        let due = Duration::try_from_secs_f64(due).unwrap_or(Duration::MAX);
        let from = self.even_at.max(now.saturating_sub(BURST));
        self.even_at = from.saturating_add(due);
        self.even_at.saturating_sub(now)
    }
}

/// How many of `most` requests are in flight at that rate.
pub(crate) fn in_flight(rate: Option<NonZeroU64>, most: usize) -> usize {
    let worth = rate.map(|rate| usize::try_from(rate.get() / BYTES_A_CONNECTION));
    match worth {
        Some(Ok(worth)) => worth.clamp(1, most.max(1)),
        _ => most,
    }
}

/// How many bytes an HTTP/2 server may send ahead at that rate, of at most `most`: what is in the window comes whatever
/// the rate is.
pub(crate) fn window(rate: Option<NonZeroU64>, most: u32) -> u32 {
    let Some(rate) = rate else {
        return most;
    };
    let window = (rate.get() / 4).max(SMALLEST_WINDOW);
    u32::try_from(window).map_or(most, |window| window.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(bytes: u64) -> NonZeroU64 {
        NonZeroU64::new(bytes).unwrap()
    }

    /// Lets `takers` take `chunk` bytes each time they may, and returns what they had after `seconds`.
    fn taken(bytes_per_second: u64, takers: usize, chunk: u64, seconds: u64) -> u64 {
        let mut bucket = Bucket::new(rate(bytes_per_second));
        let end = Duration::from_secs(seconds);
        let mut free_at = vec![Duration::ZERO; takers];
        let mut bytes = 0;
        loop {
            let next = (0..takers).min_by_key(|taker| free_at[*taker]).unwrap();
            let now = free_at[next];
            if now >= end {
                return bytes;
            }
            free_at[next] = now + bucket.take(now, chunk);
            bytes += chunk;
        }
    }

    #[test]
    fn the_rate_holds_over_all_connections_within_a_tenth() {
        for (bytes_per_second, takers, chunk) in [
            (1 << 20, 1, 16 << 10),
            (1 << 20, 8, 16 << 10),
            (10 << 20, 128, 16 << 10),
            (50_000, 2, 8 << 10),
        ] {
            let bytes = taken(bytes_per_second, takers, chunk, 30);
            let wanted = bytes_per_second * 30;
            assert!(
                bytes.abs_diff(wanted) <= wanted / 10,
                "{bytes} of {wanted} with {takers}"
            );
        }
    }

    #[test]
    fn a_silence_gives_no_more_than_a_burst() {
        let mut bucket = Bucket::new(rate(1000));
        let hour = Duration::from_secs(3600);
        assert_eq!(bucket.take(hour, 100), Duration::ZERO);
        assert_eq!(bucket.take(hour, 1000), Duration::from_secs(1));
    }

    #[test]
    fn slow_links_have_few_connections_and_small_windows() {
        assert_eq!(in_flight(None, 8), 8);
        assert_eq!(in_flight(Some(rate(1000)), 8), 1);
        assert_eq!(in_flight(Some(rate(100 << 10)), 8), 3);
        assert_eq!(in_flight(Some(rate(1 << 40)), 8), 8);
        assert_eq!(window(None, 8 << 20), 8 << 20);
        assert_eq!(window(Some(rate(1000)), 8 << 20), 64 << 10);
        assert_eq!(window(Some(rate(1 << 50)), 8 << 20), 8 << 20);
    }
}
