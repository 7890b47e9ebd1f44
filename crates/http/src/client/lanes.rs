//! How many requests over HTTP/1.1 are worth having in flight: more where answers take long to begin, as long as more of them do not make them
//! begin later. Pure but for the counters.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Where answers begin that soon it is not the way that is long.
const NEAR_MICROS: u64 = 5000;

/// What answers have taught.
#[derive(Debug)]
pub(super) struct Lanes {
    /// Requests beyond those that there are in any case.
    extra: AtomicUsize,
    /// The shortest time from a question to the head of its answer.
    fastest_micros: AtomicU64,
    /// Answers that came about as soon as that, since the last change.
    prompt: AtomicUsize,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            extra: AtomicUsize::new(0),
            fastest_micros: AtomicU64::new(u64::MAX),
            prompt: AtomicUsize::new(0),
        }
    }
}

impl Lanes {
    /// How many requests are worth having in flight: `least`, and up to `most`.
    pub(super) fn count(&self, least: usize, most: usize) -> usize {
        let count = least.saturating_add(self.extra.load(Ordering::Relaxed));
        count.min(most.max(least))
    }

    /// Notes how long an answer took to begin. When all that are in flight came promptly there is one more.
    pub(super) fn answered(&self, took: Duration, (least, most): (usize, usize)) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let before = self.fastest_micros.fetch_min(micros, Ordering::Relaxed);
        let fastest = before.min(micros);
        if fastest < NEAR_MICROS {
            return;
        }
        if micros <= fastest.saturating_add(fastest / 2) {
            let count = self.count(least, most);
            if self.prompt.fetch_add(1, Ordering::Relaxed) + 1 >= count {
                self.prompt.store(0, Ordering::Relaxed);
                if count < most {
                    self.extra.fetch_add(1, Ordering::Relaxed);
                }
            }
        } else if micros > fastest.saturating_mul(4) {
            self.prompt.store(0, Ordering::Relaxed);
            let less = |extra: usize| extra.checked_sub(1);
            let _ = self
                .extra
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// Begins again: the server may have had too many.
    pub(super) fn faulted(&self) {
        self.extra.store(0, Ordering::Relaxed);
        self.prompt.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: (usize, usize) = (8, 32);

    fn after(lanes: &Lanes, answers: usize, millis: u64) -> usize {
        for _ in 0..answers {
            lanes.answered(Duration::from_millis(millis), LIMITS);
        }
        lanes.count(8, 32)
    }

    #[test]
    fn a_long_way_gets_more_requests_and_a_short_one_none() {
        assert_eq!(after(&Lanes::default(), 10_000, 1), 8);
        let far = Lanes::default();
        assert_eq!(after(&far, 8, 30), 9);
        assert_eq!(after(&far, 9, 40), 10);
        assert_eq!(after(&far, 10_000, 30), 32);
    }

    #[test]
    fn later_answers_take_requests_away_and_a_fault_takes_all_that_were_added() {
        let far = Lanes::default();
        assert_eq!(after(&far, 10_000, 30), 32);
        assert_eq!(after(&far, 10, 100), 32, "neither prompt nor late");
        assert_eq!(after(&far, 4, 200), 28);
        assert_eq!(after(&far, 1000, 200), 8);
        assert_eq!(after(&far, 10_000, 30), 32);
        far.faulted();
        assert_eq!(far.count(8, 32), 8);
    }

    #[test]
    fn a_limit_below_the_least_is_the_least() {
        assert_eq!(after(&Lanes::default(), 10_000, 30).min(8), 8);
        assert_eq!(Lanes::default().count(8, 4), 8);
    }
}
