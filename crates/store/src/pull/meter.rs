//! What a pull over the network tells of itself.

use std::time::{Duration, Instant};

use super::session::Session;
use crate::progress::{Event, Phase, Sink};

/// The longest time between two looks at the progress.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// What the sink is told, and when.
pub(crate) struct Progress<'f> {
    pub(super) sink: &'f dyn Sink,
    objects: u64,
    bytes: u64,
    total: (u64, u64),
    told: Instant,
}

impl<'f> Progress<'f> {
    pub(crate) fn new(sink: &'f dyn Sink) -> Self {
        Self {
            sink,
            objects: 0,
            bytes: 0,
            total: (0, 0),
            told: Instant::now(),
        }
    }

    pub(crate) fn advance(&mut self, objects: u64) {
        self.objects += objects;
    }

    /// Tells a person something.
    pub(crate) fn notice(&self, text: String) {
        self.sink.event(Event::Notice(text));
    }

    /// Tells what has changed, if it is time.
    pub(crate) fn tell(&mut self, session: &Session<'_>, bytes: u64) {
        if self.told.elapsed() >= TICK {
            self.tell_all(session, bytes);
        }
    }

    /// Tells what has changed.
    pub(crate) fn tell_all(&mut self, session: &Session<'_>, bytes: u64) {
        self.told = Instant::now();
        let total = (session.plan.named(), session.download_bytes());
        if total != self.total {
            self.total = total;
            self.sink.event(Event::Total {
                phase: Phase::Pull,
                objects: total.0,
                bytes: total.1,
            });
        }
        self.sink.event(Event::Advance {
            phase: Phase::Pull,
            objects: std::mem::take(&mut self.objects),
            bytes: bytes - self.bytes,
        });
        self.bytes = bytes;
    }
}
