//! What follows a failed attempt: another mirror, a wait, or the end. Pure, but for the random part of a wait.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::client::error::FetchFault;
use crate::client::options::RetryPolicy;

/// So much progress gives back all retries; it bounds the attempts by the length of the body.
const PROGRESS_BYTES: u64 = 1 << 20;

/// What happened so far in one transfer.
#[derive(Debug)]
pub(crate) struct History {
    mirrors: Vec<Mirror>,
    current: usize,
    failures: u32,
    failures_since_wait: usize,
    waits: u32,
    progress_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mirror {
    dead: bool,
    wrong: bool,
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Ask this mirror after this time.
    Again {
        /// Index of the mirror.
        mirror: usize,
        /// The wait before.
        delay: Duration,
    },
    /// The transfer has failed.
    GiveUp,
}

/// How much an error says about the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It may work a moment later.
    Passing,
    /// This mirror will say the same again.
    MirrorFinal,
    /// The bytes were wrong; the same mirror gets one more chance.
    Wrong,
    /// No attempt can help.
    Final,
}

fn kind(fault: &FetchFault) -> Kind {
    match fault {
        FetchFault::Status {
            status: 408 | 429 | 500..=599,
            ..
        }
        | FetchFault::Stalled { .. }
        | FetchFault::Short { .. }
        | FetchFault::BadRange { .. }
        | FetchFault::Protocol(_)
        | FetchFault::Transport(_) => Kind::Passing,
        FetchFault::NotFound { .. }
        | FetchFault::Status { .. }
        | FetchFault::TooLarge { .. }
        | FetchFault::TooManyRedirects { .. }
        | FetchFault::BadRedirect { .. }
        | FetchFault::Certificate(_) => Kind::MirrorFinal,
        FetchFault::Wrong(_) => Kind::Wrong,
        FetchFault::Sink(_)
        | FetchFault::BadPath(_)
        | FetchFault::Cancelled
        | FetchFault::Reentrant => Kind::Final,
    }
}

impl History {
    /// A transfer that begins with mirror `first` of `mirrors`.
    pub(crate) fn new(mirrors: usize, first: usize) -> Self {
        Self {
            mirrors: vec![Mirror::default(); mirrors],
            current: first,
            failures: 0,
            failures_since_wait: 0,
            waits: 0,
            progress_bytes: 0,
        }
    }

    /// Notes bytes that brought the body further.
    pub(crate) fn progressed(&mut self, bytes: u64) {
        self.progress_bytes += bytes;
        if self.progress_bytes >= PROGRESS_BYTES {
            self.progress_bytes = 0;
            self.failures = 0;
            self.waits = 0;
        }
    }

    /// Decides what follows `fault` of the current mirror.
    pub(crate) fn after(&mut self, fault: &FetchFault, policy: &RetryPolicy) -> Verdict {
        let kind = kind(fault);
        let mirror = &mut self.mirrors[self.current];
        match kind {
            Kind::Final => return Verdict::GiveUp,
            Kind::MirrorFinal => mirror.dead = true,
            Kind::Wrong if mirror.wrong => mirror.dead = true,
            Kind::Wrong => mirror.wrong = true,
            Kind::Passing => {}
        }
        if kind != Kind::MirrorFinal {
            self.failures += 1;
            self.failures_since_wait += 1;
            if self.failures > policy.retries {
                return Verdict::GiveUp;
            }
        }
        let Some(next) = self.next_alive() else {
            return Verdict::GiveUp;
        };
        let delay = self.delay(fault, next, policy);
        self.current = next;
        Verdict::Again {
            mirror: next,
            delay,
        }
    }

    fn next_alive(&self) -> Option<usize> {
        let count = self.mirrors.len();
        (1..=count)
            .map(|step| (self.current + step) % count)
            .find(|index| !self.mirrors[*index].dead)
    }

    /// No wait before a mirror that has not failed since the last one.
    fn delay(&mut self, fault: &FetchFault, next: usize, policy: &RetryPolicy) -> Duration {
        let asked = match fault {
            FetchFault::Status {
                retry_after: Some(asked),
                ..
            } if next == self.current => (*asked).min(policy.retry_after_cap),
            _ => Duration::ZERO,
        };
        let alive = self.mirrors.iter().filter(|mirror| !mirror.dead).count();
        if self.failures_since_wait < alive || self.failures_since_wait == 0 {
            return asked;
        }
        self.failures_since_wait = 0;
        let doubled = policy.backoff.saturating_mul(1 << self.waits.min(16));
        self.waits += 1;
        shortened(doubled.min(policy.backoff_cap)).max(asked)
    }
}

/// Takes up to a half off, so that many clients do not come back together.
fn shortened(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 1024;
    wait - wait.mul_f64(random as f64 / 2048.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> FetchFault {
        FetchFault::Status {
            status,
            retry_after: None,
        }
    }

    fn mirror_of(verdict: Verdict) -> Option<usize> {
        match verdict {
            Verdict::Again { mirror, .. } => Some(mirror),
            Verdict::GiveUp => None,
        }
    }

    #[test]
    fn one_mirror_is_tried_as_often_as_the_policy_says_with_growing_waits() {
        let policy = RetryPolicy::default();
        let mut history = History::new(1, 0);
        let mut longest = Duration::ZERO;
        for _ in 0..policy.retries {
            let Verdict::Again { mirror: 0, delay } = history.after(&status(503), &policy) else {
                panic!("gave up early");
            };
            assert!(delay > longest / 2 && delay <= policy.backoff_cap);
            longest = longest.max(delay);
        }
        assert_eq!(history.after(&status(503), &policy), Verdict::GiveUp);
    }

    #[test]
    fn mirrors_are_walked_without_a_wait_and_the_dead_are_skipped() {
        let policy = RetryPolicy::default();
        let mut history = History::new(3, 1);
        let missing = FetchFault::NotFound { status: 404 };
        let next = |mirror| Verdict::Again {
            mirror,
            delay: Duration::ZERO,
        };
        assert_eq!(history.after(&missing, &policy), next(2));
        assert_eq!(history.after(&status(500), &policy), next(0));
        let Verdict::Again { mirror: 2, delay } = history.after(&status(500), &policy) else {
            panic!("mirror 1 is dead, 2 is next");
        };
        assert!(delay > Duration::ZERO);
    }

    #[test]
    fn a_final_status_ends_at_once_and_a_wrong_body_after_the_second() {
        let policy = RetryPolicy::default();
        assert_eq!(
            History::new(1, 0).after(&status(401), &policy),
            Verdict::GiveUp
        );
        let mut history = History::new(1, 0);
        let wrong = || FetchFault::Wrong("checksum".into());
        assert_eq!(mirror_of(history.after(&wrong(), &policy)), Some(0));
        assert_eq!(mirror_of(history.after(&wrong(), &policy)), None);
    }

    #[test]
    fn retry_after_is_honoured_up_to_its_cap() {
        let policy = RetryPolicy::default();
        let asked = |seconds| FetchFault::Status {
            status: 429,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        for (seconds, expected) in [(7, 7), (86_400, 30)] {
            let verdict = History::new(1, 0).after(&asked(seconds), &policy);
            let delay = Duration::from_secs(expected);
            assert_eq!(verdict, Verdict::Again { mirror: 0, delay });
        }
    }

    #[test]
    fn progress_gives_retries_back_but_dribbling_does_not() {
        let policy = RetryPolicy::default();
        let mut history = History::new(1, 0);
        for _ in 0..100 {
            history.progressed(PROGRESS_BYTES);
            assert!(mirror_of(history.after(&status(500), &policy)).is_some());
        }
        let mut ended = false;
        for _ in 0..100 {
            history.progressed(1);
            ended |= history.after(&status(500), &policy) == Verdict::GiveUp;
        }
        assert!(ended);
    }
}
