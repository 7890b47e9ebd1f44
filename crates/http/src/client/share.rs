//! Which mirror is asked for what: load and faults of each, and the choice between them. Pure but for the counters.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Requests in flight up to which one mirror has all of them: another connection costs round trips.
const ONE_IS_ENOUGH: usize = 4;
/// So many faults on end, each made good by another mirror, and a mirror is left out.
const FAULTS: usize = 3;
/// Rates are those of bodies of at least this length.
const MEASURED_BYTES: u64 = 256 << 10;
/// So many times slower than the fastest is too slow.
const TOO_SLOW: u64 = 8;
/// A rate that is good enough, whatever others have: 1 MiB in a second.
const GOOD_RATE: u64 = 1 << 20;
/// Mirrors that are asked at once.
const MOST_AT_ONCE: usize = 4;

/// What is known of one mirror.
#[derive(Debug, Default)]
pub(super) struct Share {
    in_flight: AtomicUsize,
    faults: AtomicUsize,
    /// Bytes in a second, smoothed; 0 while nothing is known.
    rate: AtomicU64,
    left_out: AtomicBool,
}

/// Why a mirror is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeftOut {
    Faulty,
    Slow,
}

/// Counts a request in flight for as long as it lives.
pub(crate) struct InFlight<'m>(&'m Share);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Share {
    pub(super) fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self)
    }

    pub(super) fn is_left_out(&self) -> bool {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Has it asked only when others fail; whether that is new.
    pub(super) fn leave_out(&self) -> bool {
        !self.left_out.swap(true, Ordering::Relaxed)
    }

    /// Notes a body that came; `seconds` is the time from the question to its last byte.
    pub(super) fn worked(&self, bytes: u64, seconds: f64) {
        self.faults.store(0, Ordering::Relaxed);
        if bytes >= MEASURED_BYTES && seconds > 0.0 {
            let now = (bytes as f64 / seconds) as u64;
            let before = self.rate.load(Ordering::Relaxed);
            let smoothed = if before == 0 {
                now
            } else {
                before / 2 + now / 2
            };
            self.rate.store(smoothed.max(1), Ordering::Relaxed);
        }
    }

    /// Notes a fault that another mirror made good.
    pub(super) fn failed(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }
}

/// Which mirror gets the next request: `first` while it has little to do, else the one with the least.
pub(super) fn choose(shares: &[&Share], first: usize) -> usize {
    let load = |index: usize| shares[index].in_flight.load(Ordering::Relaxed);
    let is_usable = |index: &usize| !shares[*index].is_left_out();
    let count = shares.len();
    // In the order in which a failed request would walk them.
    let order = (0..count).map(|step| (first + step) % count);
    let usable: Vec<usize> = order.filter(is_usable).take(MOST_AT_ONCE).collect();
    match usable.first() {
        None => first,
        Some(nearest) if load(*nearest) < ONE_IS_ENOUGH => *nearest,
        Some(nearest) => {
            let least = usable.iter().copied().min_by_key(|index| load(*index));
            least.unwrap_or(*nearest)
        }
    }
}

/// How many mirrors are asked at once.
pub(super) fn at_once(shares: &[&Share]) -> usize {
    let usable = shares.iter().filter(|share| !share.is_left_out()).count();
    usable.clamp(1, MOST_AT_ONCE)
}

/// Leaves out those that hold the others up, never the last one, and returns those that are new.
pub(super) fn leave_out(shares: &[&Share]) -> Vec<(usize, LeftOut)> {
    let rate = |share: &Share| share.rate.load(Ordering::Relaxed);
    let usable = |share: &&&Share| !share.is_left_out();
    let best = shares.iter().filter(usable).map(|share| rate(share)).max();
    let best = best.unwrap_or(0);
    let mut new = Vec::new();
    for (index, share) in shares.iter().enumerate() {
        if share.is_left_out() || shares.iter().filter(usable).count() < 2 {
            continue;
        }
        let own = rate(share);
        let why = if share.faults.load(Ordering::Relaxed) >= FAULTS {
            LeftOut::Faulty
        } else if own > 0 && own < GOOD_RATE && own < best / TOO_SLOW {
            LeftOut::Slow
        } else {
            continue;
        };
        if share.leave_out() {
            new.push((index, why));
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(loads: &[usize]) -> Vec<Share> {
        let share = |load: &usize| Share {
            in_flight: AtomicUsize::new(*load),
            ..Share::default()
        };
        loads.iter().map(share).collect()
    }

    fn chosen(loads: &[usize], first: usize) -> usize {
        let shares = shares(loads);
        choose(&shares.iter().collect::<Vec<_>>(), first)
    }

    #[test]
    fn few_requests_stay_with_one_mirror_and_many_go_where_least_waits() {
        assert_eq!(chosen(&[3, 0, 0], 0), 0);
        assert_eq!(chosen(&[4, 1, 0], 0), 2);
        assert_eq!(chosen(&[4, 4, 4], 1), 1);
        assert_eq!(chosen(&[9, 9, 9, 9, 0], 0), 0, "no more than four at once");
        assert_eq!(chosen(&[100], 0), 0);
    }

    #[test]
    fn a_mirror_that_fails_or_crawls_is_left_out_but_never_the_last_one() {
        let shares = shares(&[0, 0, 0]);
        let all: Vec<&Share> = shares.iter().collect();
        shares[0].worked(1 << 20, 0.01);
        shares[1].worked(1 << 20, 60.0);
        assert_eq!(leave_out(&all), [(1, LeftOut::Slow)]);
        assert_eq!(leave_out(&all), [], "it is said once");
        for _ in 0..FAULTS {
            shares[0].failed();
        }
        assert_eq!(leave_out(&all), [(0, LeftOut::Faulty)]);
        assert_eq!((choose(&all, 0), at_once(&all)), (2, 1));
        for _ in 0..FAULTS {
            shares[2].failed();
        }
        assert_eq!(leave_out(&all), []);
    }

    #[test]
    fn one_good_answer_makes_up_for_faults() {
        let shares = shares(&[0, 0]);
        let all: Vec<&Share> = shares.iter().collect();
        for _ in 0..10 {
            shares[0].failed();
            shares[0].failed();
            shares[0].worked(10, 1.0);
        }
        assert_eq!(leave_out(&all), []);
    }
}
