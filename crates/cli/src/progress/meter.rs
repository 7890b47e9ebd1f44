//! Draws the events of long work as one line on the terminal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{
    HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle,
};
use ostler_store::progress::{Event, Phase, Silent, Sink, Way};

use super::millis;
use crate::printer::Printer;

/// Work shorter than this is not drawn at all.
const PATIENCE: Duration = Duration::from_millis(250);
/// Counts events and draws them: files and bytes done, rate and time left.
pub(crate) struct Meter {
    objects: AtomicU64,
    bytes: AtomicU64,
    /// Milliseconds since `created` at the last drawing.
    drawn_at: AtomicU64,
    created: Instant,
    /// The least time between two drawings.
    frame: Duration,
    running: Mutex<Option<Running>>,
    /// By which way objects come, and why, once that is known.
    route: Mutex<Option<(Way, String)>>,
}

/// The phase that is being drawn.
struct Running {
    phase: Phase,
    began: Instant,
    total_objects: Option<u64>,
    total_bytes: Option<u64>,
    bar: ProgressBar,
}

impl Meter {
    /// Returns a meter on stderr that draws with at least `frame` between two drawings, or a sink that drops everything
    /// where nobody would see it.
    pub(crate) fn for_stderr(printer: &Printer, frame: Duration) -> Arc<dyn Sink> {
        use std::io::IsTerminal;
        if printer.is_quiet() || !std::io::stderr().is_terminal() {
            return notices(printer.is_quiet());
        }
        Arc::new(Self {
            objects: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            drawn_at: AtomicU64::new(0),
            created: Instant::now(),
            frame,
            running: Mutex::new(None),
            route: Mutex::new(None),
        })
    }

    fn begin(&self, phase: Phase, objects: Option<u64>, bytes: Option<u64>) {
        self.objects.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(
            ProgressStyle::with_template("{prefix:.bold} {wide_msg}")
                .expect("the template is a constant"),
        );
        bar.set_prefix(verb(phase));
        let next = Running {
            phase,
            began: Instant::now(),
            total_objects: objects,
            total_bytes: bytes.filter(|b| *b > 0),
            bar,
        };
        if let Some(before) = self.lock().replace(next) {
            before.bar.finish_and_clear();
        }
    }

    /// Draws if it is time; a thread that finds another one drawing goes on with its work.
    fn draw(&self) {
        let now = millis(self.created.elapsed());
        let last = self.drawn_at.load(Ordering::Relaxed);
        if now < last + millis(self.frame) {
            return;
        }
        let Ok(guard) = self.running.try_lock() else {
            return;
        };
        let Some(running) = guard.as_ref() else {
            return;
        };
        let elapsed = running.began.elapsed();
        if elapsed < PATIENCE {
            return;
        }
        self.drawn_at.store(now, Ordering::Relaxed);
        if running.bar.is_hidden() {
            running
                .bar
                .set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        }
        let tally = Tally {
            objects: self.objects.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            total_objects: running.total_objects,
            total_bytes: running.total_bytes,
        };
        let mut message = tally.describe(elapsed);
        let route = self.route.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Phase::Pull | Phase::Delta, Some((way, reason))) = (running.phase, &*route) {
            // Last: a narrow terminal cuts it.
            message.push_str(by(*way));
            message.push_str(reason);
        }
        drop(route);
        running.bar.set_message(message);
        running.bar.tick();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        // A panic while drawing leaves a state that is as good as any other.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Meter {
    fn event(&self, event: Event) {
        match event {
            Event::Begin {
                phase,
                objects,
                bytes,
            } => self.begin(phase, objects, bytes),
            Event::Total {
                phase,
                objects,
                bytes,
            } => {
                if let Some(running) = self.lock().as_mut().filter(|r| r.phase == phase) {
                    running.total_objects = Some(objects);
                    running.total_bytes = Some(bytes).filter(|b| *b > 0);
                }
            }
            Event::Advance { objects, bytes, .. } => {
                self.objects.fetch_add(objects, Ordering::Relaxed);
                self.bytes.fetch_add(bytes, Ordering::Relaxed);
                self.draw();
            }
            Event::End { phase } => {
                let mut guard = self.lock();
                if guard.as_ref().is_some_and(|r| r.phase == phase)
                    && let Some(running) = guard.take()
                {
                    running.bar.finish_and_clear();
                }
            }
            Event::Route { way, reason } => {
                let mut route = self.route.lock().unwrap_or_else(PoisonError::into_inner);
                *route = Some((way, reason));
            }
            Event::Notice(text) => match self.lock().as_ref() {
                Some(running) => running.bar.suspend(|| eprintln!("{text}")),
                None => eprintln!("{text}"),
            },
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(running) = self.lock().take() {
            running.bar.finish_and_clear();
        }
    }
}

/// A sink that draws nothing.
pub(super) fn notices(quiet: bool) -> Arc<dyn Sink> {
    Arc::new(Notices { quiet })
}

/// Where there is no terminal: no drawing, but what a person should know.
struct Notices {
    quiet: bool,
}

impl Sink for Notices {
    fn event(&self, event: Event) {
        match event {
            Event::Notice(text) if !self.quiet => eprintln!("{text}"),
            other => Silent.event(other),
        }
    }
}

/// How far the work is.
struct Tally {
    objects: u64,
    bytes: u64,
    total_objects: Option<u64>,
    total_bytes: Option<u64>,
}

impl Tally {
    /// Returns `1,204/36,096 files, 31.20 MiB/1.18 GiB, 24.10 MiB/s, 48 seconds left`, as far as it is known.
    fn describe(&self, elapsed: Duration) -> String {
        let mut parts = vec![match self.total_objects {
            Some(total) => format!("{}/{} files", HumanCount(self.objects), HumanCount(total)),
            None => format!("{} files", HumanCount(self.objects)),
        }];
        if self.bytes > 0 {
            parts.push(match self.total_bytes {
                Some(total) => format!("{}/{}", HumanBytes(self.bytes), HumanBytes(total)),
                None => HumanBytes(self.bytes).to_string(),
            });
            let rate = self.bytes as f64 / elapsed.as_secs_f64().max(0.001);
            parts.push(format!("{}/s", HumanBytes(rate as u64)));
        }
        parts.extend(
            self.time_left(elapsed)
                .map(|left| format!("{} left", HumanDuration(left))),
        );
        parts.join(", ")
    }

    fn time_left(&self, elapsed: Duration) -> Option<Duration> {
        let (done, total) = match (self.total_bytes, self.total_objects) {
            (Some(total), _) => (self.bytes, total),
            (None, Some(total)) => (self.objects, total),
            (None, None) => return None,
        };
        if done == 0 || done >= total {
            return None;
        }
        let seconds = elapsed.as_secs_f64() / done as f64 * (total - done) as f64;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

fn by(way: Way) -> &'static str {
    match way {
        Way::Deltas => ", by deltas: ",
        Way::Packs => ", by packs: ",
        Way::Objects => ", object by object: ",
    }
}

fn verb(phase: Phase) -> &'static str {
    match phase {
        Phase::Commit => "Committing",
        Phase::Checkout => "Checking out",
        Phase::Pull => "Pulling",
        Phase::Fsck => "Checking",
        Phase::Prune => "Pruning",
        Phase::Delta => "Delta",
        Phase::Pack => "Packing",
        Phase::Image => "Reading",
        Phase::Sync => "Syncing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_says_only_what_is_known() {
        let second = Duration::from_secs(1);
        let unknown = Tally {
            objects: 1204,
            bytes: 0,
            total_objects: None,
            total_bytes: None,
        };
        assert_eq!(unknown.describe(second), "1,204 files");
        let half = Tally {
            objects: 10,
            bytes: 1 << 20,
            total_objects: Some(20),
            total_bytes: Some(4 << 20),
        };
        assert_eq!(
            half.describe(second),
            "10/20 files, 1.00 MiB/4.00 MiB, 1.00 MiB/s, 3 seconds left"
        );
    }

    #[test]
    fn finished_work_has_no_time_left() {
        let done = Tally {
            objects: 5,
            bytes: 0,
            total_objects: Some(5),
            total_bytes: None,
        };
        assert_eq!(done.time_left(Duration::from_secs(3)), None);
    }
}
