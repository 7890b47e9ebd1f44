//! Directories as jobs, taken by all processors from one stack.
//!
//! The newest job is taken first. Together with handles that are shared by a directory's jobs, that bounds the number of
//! open directories by the depth of the tree, not by its width.

use std::num::NonZero;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use super::CheckoutError;
use super::directory::{Job, Work};

struct State {
    jobs: Vec<Job>,
    /// Jobs that were taken and have not ended.
    running: usize,
    failed: Option<CheckoutError>,
}

struct Pool<'w> {
    work: &'w Work<'w>,
    state: Mutex<State>,
    changed: Condvar,
}

/// Runs `first` and all jobs that come of it.
///
/// # Errors
/// The first error; jobs not begun by then are dropped.
pub(super) fn run(work: &Work<'_>, first: Job) -> Result<(), CheckoutError> {
    let state = Mutex::new(State {
        jobs: vec![first],
        running: 0,
        failed: None,
    });
    let pool = Pool {
        work,
        state,
        changed: Condvar::new(),
    };
    let others = thread::available_parallelism().map_or(0, |n| NonZero::get(n) - 1);
    thread::scope(|scope| {
        for _ in 0..others {
            scope.spawn(|| pool.take_jobs());
        }
        pool.take_jobs();
    });
    let state = pool
        .state
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    state.failed.map_or(Ok(()), Err)
}

impl Pool<'_> {
    fn take_jobs(&self) {
        while let Some(job) = self.next() {
            let outcome = self.work.run(job);
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.running -= 1;
            match outcome {
                Ok(children) if state.failed.is_none() => state.jobs.extend(children),
                Ok(_) => {}
                Err(error) => {
                    state.jobs.clear();
                    state.failed.get_or_insert(error);
                }
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Waits for a job; `None` when none is left and none can come any more.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(job) = state.jobs.pop() {
                state.running += 1;
                return Some(job);
            }
            if state.running == 0 {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}
