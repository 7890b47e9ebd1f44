//! Threads that work while their leader finds more to do.

use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};

/// The most threads that apply parts: each may hold a decoder's dictionary.
const MOST: usize = 4;

/// Has `work` done on several threads: `lead` sends jobs and receives what became of them. Jobs that no thread has begun
/// when `lead` returns are dropped.
pub(crate) fn on_threads<J: Send, D: Send, R>(
    work: impl Fn(J) -> D + Sync,
    lead: impl FnOnce(Sender<J>, &Receiver<D>) -> R,
) -> R {
    let (jobs, queue) = unbounded();
    let (sender, done) = unbounded();
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads.min(MOST) {
            let (queue, sender, work) = (queue.clone(), sender.clone(), &work);
            scope.spawn(move || {
                for job in queue {
                    // Nobody receives any more once the leader has returned.
                    let _ = sender.send(work(job));
                }
            });
        }
        drop(sender);
        let led = lead(jobs, &done);
        while queue.try_recv().is_ok() {}
        led
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn all_jobs_are_done_and_those_after_a_leader_that_left_are_not() {
        let sum = on_threads(
            |number: u64| number * 2,
            |jobs, done| {
                (0..100).for_each(|number| jobs.send(number).unwrap());
                drop(jobs);
                done.iter().sum::<u64>()
            },
        );
        assert_eq!(sum, 9900);
        let begun = AtomicU64::new(0);
        on_threads(
            |()| {
                begun.fetch_add(1, Ordering::Relaxed);
                thread::sleep(std::time::Duration::from_millis(20));
            },
            |jobs, done| {
                (0..1000).for_each(|_| jobs.send(()).unwrap());
                done.recv().unwrap();
            },
        );
        assert!(begun.into_inner() < 100);
    }
}
