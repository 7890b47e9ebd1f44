//! Tells a slow server from a dead one.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::client::error::FetchFault;
use crate::client::options::Limits;

/// One timeout is this many ticks. Ticks are counted, not clock time: when the threads were busy in sinks and nobody looked at
/// the socket, a minute is one tick, so that our own slowness is never taken for the server's.
const TICKS: u32 = 8;

/// Watches one transfer's waits.
pub(crate) struct Watch {
    idle: Duration,
    floor_bytes: u64,
    sleep: Pin<Box<Sleep>>,
    silent_ticks: u32,
    window_ticks: u32,
    window_bytes: u64,
}

impl Watch {
    pub(crate) fn new(limits: &Limits) -> Self {
        let tick = limits.idle_timeout / TICKS;
        let floor = limits.floor_bytes_per_second as f64 * limits.idle_timeout.as_secs_f64();
        Self {
            idle: limits.idle_timeout,
            floor_bytes: floor as u64,
            sleep: Box::pin(sleep(tick)),
            silent_ticks: 0,
            window_ticks: 0,
            window_bytes: 0,
        }
    }

    /// Begins a new wait: for an answer, or for its body.
    pub(crate) fn restart(&mut self) {
        self.silent_ticks = 0;
        self.window_ticks = 0;
        self.window_bytes = 0;
        self.rearm();
    }

    /// Waits for `work`, unless nothing has come for too long.
    pub(crate) async fn wait<F: Future>(&mut self, work: F) -> Result<F::Output, FetchFault> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                output = &mut work => return Ok(output),
                () = self.sleep.as_mut() => self.tick()?,
            }
        }
    }

    /// Notes that bytes came.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.silent_ticks = 0;
        self.window_bytes += bytes as u64;
    }

    fn rearm(&mut self) {
        self.sleep
            .as_mut()
            .reset(Instant::now() + self.idle / TICKS);
    }

    fn tick(&mut self) -> Result<(), FetchFault> {
        self.rearm();
        self.silent_ticks += 1;
        self.window_ticks += 1;
        let window_full = self.window_ticks >= TICKS;
        if self.silent_ticks >= TICKS || (window_full && self.window_bytes < self.floor_bytes) {
            return Err(FetchFault::Stalled {
                idle: self.idle,
                received_bytes: if self.silent_ticks >= TICKS {
                    0
                } else {
                    self.window_bytes
                },
            });
        }
        if window_full {
            self.window_ticks = 0;
            self.window_bytes = 0;
        }
        Ok(())
    }
}
