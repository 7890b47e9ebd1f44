//! Progress for programs: a JSON object a line, as `spec/progress.md` describes them.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ostler_store::progress::{Event, Phase, Sink, Way};
use serde_json::{Value, json};

use super::millis;

/// The version of what the lines hold; a new key does not change it.
const VERSION: u32 = 1;

/// Writes events as lines.
pub(super) struct Lines {
    began: Instant,
    state: Mutex<State>,
    /// Whether a person is told on stderr, too, what is no progress.
    tells: bool,
}

struct State {
    narrator: Narrator,
    /// `None` once nobody reads any more.
    out: Option<Box<dyn Write + Send>>,
}

impl Lines {
    /// Writes to `out`, with at least `frame` between two lines about the progress of one phase.
    pub(super) fn new(out: Box<dyn Write + Send>, tells: bool, frame: Duration) -> Self {
        let narrator = Narrator::new(frame);
        Self {
            began: Instant::now(),
            state: Mutex::new(State {
                narrator,
                out: Some(out),
            }),
            tells,
        }
    }
}

impl Sink for Lines {
    fn event(&self, event: Event) {
        if let (true, Event::Notice(text)) = (self.tells, &event) {
            eprintln!("{text}");
        }
        // A panic while writing leaves a state that is as good as any other.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(line) = state.narrator.line(self.began.elapsed(), event) else {
            return;
        };
        let written = match &mut state.out {
            Some(out) => out.write_all(format!("{line}\n").as_bytes()),
            None => return,
        };
        if written.is_err() {
            // Who reads the progress does not decide about the work.
            state.out = None;
        }
    }
}

/// Makes lines of events; the time is told to it.
struct Narrator {
    frame: Duration,
    phases: BTreeMap<&'static str, Running>,
}

/// A phase that has begun.
#[derive(Clone, Copy, Default)]
struct Running {
    began: Duration,
    told: Duration,
    objects: u64,
    bytes: u64,
    total_objects: Option<u64>,
    total_bytes: Option<u64>,
}

impl Narrator {
    fn new(frame: Duration) -> Self {
        Self {
            frame,
            phases: BTreeMap::new(),
        }
    }

    fn line(&mut self, now: Duration, event: Event) -> Option<Value> {
        let mut line = match event {
            Event::Begin {
                phase,
                objects,
                bytes,
            } => {
                let running = Running {
                    began: now,
                    told: now,
                    total_objects: objects,
                    total_bytes: bytes.filter(|bytes| *bytes > 0),
                    ..Running::default()
                };
                self.phases.insert(name(phase), running);
                running.line(now, "begin", phase)
            }
            Event::Total {
                phase,
                objects,
                bytes,
            } => {
                let running = self.phases.entry(name(phase)).or_default();
                running.total_objects = Some(objects);
                running.total_bytes = Some(bytes).filter(|bytes| *bytes > 0);
                return None;
            }
            Event::Advance {
                phase,
                objects,
                bytes,
            } => {
                let running = self.phases.entry(name(phase)).or_default();
                running.objects += objects;
                running.bytes += bytes;
                if now < running.told + self.frame {
                    return None;
                }
                running.told = now;
                running.line(now, "progress", phase)
            }
            Event::End { phase } => {
                let running = self.phases.remove(name(phase)).unwrap_or_default();
                running.line(now, "end", phase)
            }
            Event::Route { way, reason } => json!({
                "event": "route",
                "way": way_name(way),
                "reason": reason,
            }),
            Event::Notice(text) => json!({ "event": "notice", "text": text }),
        };
        line["v"] = VERSION.into();
        line["ms"] = millis(now).into();
        Some(line)
    }
}

impl Running {
    fn line(&self, now: Duration, event: &str, phase: Phase) -> Value {
        let seconds = now.saturating_sub(self.began).as_secs_f64();
        let rate = (seconds > 0.0).then(|| (self.bytes as f64 / seconds) as u64);
        json!({
            "event": event,
            "phase": name(phase),
            "objects": self.objects,
            "objects_total": self.total_objects,
            "bytes": self.bytes,
            "bytes_total": self.total_bytes,
            "bytes_per_second": rate,
            "seconds_left": self.seconds_left(seconds),
        })
    }

    fn seconds_left(&self, seconds: f64) -> Option<u64> {
        let (done, total) = match (self.total_bytes, self.total_objects) {
            (Some(total), _) => (self.bytes, total),
            (None, Some(total)) => (self.objects, total),
            (None, None) => return None,
        };
        let left = total.saturating_sub(done);
        (done > 0 || left == 0).then(|| (seconds / done.max(1) as f64 * left as f64).ceil() as u64)
    }
}

/// The name of a phase, which programs know.
fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Commit => "commit",
        Phase::Checkout => "checkout",
        Phase::Pull => "pull",
        Phase::Fsck => "fsck",
        Phase::Prune => "prune",
        Phase::Delta => "delta",
        Phase::Pack => "pack",
        Phase::Image => "image",
        Phase::Sync => "sync",
    }
}

/// The name of a way, which programs know.
pub(crate) fn way_name(way: Way) -> &'static str {
    match way {
        Way::Deltas => "deltas",
        Way::Packs => "packs",
        Way::Objects => "objects",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASE: Phase = Phase::Pull;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn advance(objects: u64, bytes: u64) -> Event {
        Event::Advance {
            phase: PHASE,
            objects,
            bytes,
        }
    }

    #[test]
    fn the_lines_are_those_of_the_specification() {
        let spec = include_str!("../../spec/progress.md");
        let golden: Vec<Value> = spec
            .lines()
            .filter(|line| line.starts_with("{\""))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let mut narrator = Narrator::new(at(100));
        let events = [
            (
                20,
                Event::Begin {
                    phase: PHASE,
                    objects: None,
                    bytes: None,
                },
            ),
            (
                30,
                Event::Route {
                    way: Way::Packs,
                    reason: "the remote has packs of the commit; no static delta leads from what is here"
                        .to_owned(),
                },
            ),
            (
                40,
                Event::Total {
                    phase: PHASE,
                    objects: 2000,
                    bytes: 40_000_000,
                },
            ),
            (50, advance(1, 400)),
            (2020, advance(499, 9_999_600)),
            (2030, Event::Notice("a mirror is left out".to_owned())),
            (2050, advance(1500, 30_000_000)),
            (8020, Event::End { phase: PHASE }),
        ];
        let lines: Vec<Value> = events
            .into_iter()
            .filter_map(|(millis, event)| narrator.line(at(millis), event))
            .collect();
        assert_eq!(lines, golden);
    }

    #[test]
    fn lines_about_a_phase_keep_the_time_between_them_that_was_asked_for() {
        for (frame, told) in [(100, 9), (400, 2), (5000, 0)] {
            let mut narrator = Narrator::new(at(frame));
            narrator.line(
                at(0),
                Event::Begin {
                    phase: PHASE,
                    objects: None,
                    bytes: None,
                },
            );
            let steps = (0..1000).step_by(50);
            let lines = steps.filter_map(|millis| narrator.line(at(millis), advance(1, 1)));
            assert_eq!(lines.count(), told, "{frame} ms");
        }
    }

    #[test]
    fn a_reader_that_left_does_not_stop_the_work() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let lines = Lines::new(Box::new(writer), false, at(100));
        lines.event(Event::End { phase: PHASE });
        lines.event(Event::End { phase: PHASE });
        assert!(lines.state.lock().unwrap().out.is_none());
    }
}
