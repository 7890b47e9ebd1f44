//! Many requests at once: lanes take them from a queue in the order of priority.
//!
//! A lane is one request in flight. Each set of mirrors has its own queue and as many lanes as its protocol is good for: few over HTTP/1.1,
//! where each is a connection, many over HTTP/2, where they share one.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::client::error::{FetchError, FetchFault};
use crate::client::fetcher::{Core, Fetcher};
use crate::client::mirrors::{Mirrors, shown};
use crate::client::request::{
    BodyStart, Conditional, Priority, Request, Sink, SinkFault, Transferred,
};
use crate::client::transfer::transfer;

/// Requests that are cancelled and waited for together. Dropping it cancels what is left and waits for the sinks to return.
///
/// The fetcher's limits hold for each batch and each set of mirrors; the queue itself has no bound.
pub struct Batch {
    fetcher: Fetcher,
    inner: Arc<Inner>,
}

struct Inner {
    core: Arc<Core>,
    state: Mutex<State>,
    idle: Condvar,
    cancel: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    queues: HashMap<usize, Queue>,
    submitted: u64,
    unfinished: usize,
    cancelled: bool,
    panicked: bool,
}

#[derive(Default)]
struct Queue {
    jobs: BinaryHeap<Job>,
    lanes: usize,
}

struct Job {
    rank: (Priority, u64),
    request: Request,
    work: Box<dyn Work>,
}

/// A sink with what is to happen after it.
trait Work: Send {
    fn sink(&mut self) -> &mut dyn Sink;
    fn done(self: Box<Self>, result: Result<Transferred, FetchError>);
}

struct Pair<S, F> {
    sink: S,
    done: F,
}

impl<S, F> Work for Pair<S, F>
where
    S: Sink,
    F: FnOnce(S, Result<Transferred, FetchError>) + Send,
{
    fn sink(&mut self) -> &mut dyn Sink {
        &mut self.sink
    }

    fn done(self: Box<Self>, result: Result<Transferred, FetchError>) {
        (self.done)(self.sink, result);
    }
}

impl Batch {
    pub(crate) fn new(fetcher: Fetcher) -> Self {
        let inner = Inner {
            core: Arc::clone(fetcher.core()),
            state: Mutex::default(),
            idle: Condvar::new(),
            cancel: watch::Sender::new(false),
        };
        Self {
            fetcher,
            inner: Arc::new(inner),
        }
    }

    /// Queues `request`; `done` gets the sink back when it is over, on one of the fetcher's threads.
    ///
    /// `done` may submit more, and should otherwise be short: send on a channel. It is called exactly once, unless a sink panics.
    pub fn submit<S, F>(&self, request: Request, sink: S, done: F)
    where
        S: Sink + 'static,
        F: FnOnce(S, Result<Transferred, FetchError>) + Send + 'static,
    {
        let work: Box<dyn Work> = Box::new(Pair { sink, done });
        let mirrors = request.mirrors.clone();
        let mut state = self.inner.lock();
        if state.cancelled {
            drop(state);
            work.done(Err(cancelled(&request)));
            return;
        }
        state.submitted += 1;
        state.unfinished += 1;
        let rank = (request.priority, state.submitted);
        let queue = state.queues.entry(mirrors.key()).or_default();
        queue.jobs.push(Job {
            rank,
            request,
            work,
        });
        let new_lanes = self.inner.grow(queue, &mirrors);
        drop(state);
        for _ in 0..new_lanes {
            self.spawn_lane(&mirrors);
        }
    }

    /// How many requests are queued or in flight.
    pub fn unfinished(&self) -> usize {
        self.inner.lock().unfinished
    }

    /// Waits until nothing is queued nor in flight, and each `done` has returned.
    ///
    /// # Panics
    /// If a sink or a `done` has panicked.
    pub fn wait(&self) {
        let mut state = self.inner.lock();
        while state.unfinished > 0 && !state.panicked {
            state = wait_on(&self.inner.idle, state);
        }
        assert!(!state.panicked, "a sink panicked");
    }

    /// Ends everything: queued requests and those in flight are done with [`FetchFault::Cancelled`], as are later ones.
    pub fn cancel(&self) {
        let mut state = self.inner.lock();
        state.cancelled = true;
        let queues: Vec<_> = state
            .queues
            .values_mut()
            .map(|queue| std::mem::take(&mut queue.jobs))
            .collect();
        drop(state);
        self.inner.cancel.send_replace(true);
        for job in queues.into_iter().flat_map(BinaryHeap::into_vec) {
            job.work.done(Err(cancelled(&job.request)));
            self.inner.finished();
        }
    }

    fn spawn_lane(&self, mirrors: &Mirrors) {
        spawn_lane(self.fetcher.handle(), &self.inner, mirrors);
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.cancel();
        if tokio::runtime::Handle::try_current().is_err() {
            let mut state = self.inner.lock();
            while state.unfinished > 0 && !state.panicked {
                state = wait_on(&self.inner.idle, state);
            }
        }
    }
}

fn spawn_lane(handle: &tokio::runtime::Handle, inner: &Arc<Inner>, mirrors: &Mirrors) {
    let lane = Lane {
        inner: Arc::clone(inner),
        mirrors: mirrors.clone(),
    };
    handle.spawn(lane.run());
}

fn wait_on<'a>(idle: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    idle.wait(state).unwrap_or_else(PoisonError::into_inner)
}

fn cancelled(request: &Request) -> FetchError {
    FetchError {
        url: shown(request.mirrors.base(0)),
        attempts: 0,
        fault: FetchFault::Cancelled,
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of the caller runs under this lock, and its own leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lane_limit(&self, mirrors: &Mirrors) -> usize {
        let limit = mirrors.lanes(&self.core.limits);
        limit.max(1).saturating_mul(mirrors.at_once())
    }

    /// Counts the lanes that are now worth having, and says how many of them are new.
    fn grow(&self, queue: &mut Queue, mirrors: &Mirrors) -> usize {
        let room = self.lane_limit(mirrors).saturating_sub(queue.lanes);
        let new_lanes = room.min(queue.jobs.len());
        queue.lanes += new_lanes;
        new_lanes
    }

    fn finished(&self) {
        let mut state = self.lock();
        state.unfinished -= 1;
        if state.unfinished == 0 {
            self.idle.notify_all();
        }
    }
}

/// One request in flight after the other.
struct Lane {
    inner: Arc<Inner>,
    mirrors: Mirrors,
}

impl Lane {
    async fn run(self) {
        let guard = PanicGuard(&self.inner);
        let mut cancel = self.inner.cancel.subscribe();
        let always = Conditional::default();
        while let Some(job) = self.next_job() {
            let Job {
                request, mut work, ..
            } = job;
            let mut sink = Forward(&mut *work);
            let moving = transfer(&self.inner.core, &request, &always, &mut sink);
            let result = tokio::select! {
                biased;
                result = moving => result,
                _ = cancel.wait_for(|cancelled| *cancelled) => Err(cancelled(&request)),
            };
            work.done(result.map(|done| done.expect("no condition was sent")));
            self.inner.finished();
        }
        std::mem::forget(guard);
    }

    /// The next job, and with it the lanes that a newly seen protocol allows; `None` ends this lane.
    fn next_job(&self) -> Option<Job> {
        let mut state = self.inner.lock();
        let queue = state.queues.get_mut(&self.mirrors.key())?;
        if queue.lanes > self.inner.lane_limit(&self.mirrors) {
            queue.lanes -= 1;
            return None;
        }
        let Some(job) = queue.jobs.pop() else {
            queue.lanes -= 1;
            return None;
        };
        let new_lanes = self.inner.grow(queue, &self.mirrors);
        drop(state);
        for _ in 0..new_lanes {
            spawn_lane(
                &tokio::runtime::Handle::current(),
                &self.inner,
                &self.mirrors,
            );
        }
        Some(job)
    }
}

/// Lets waiters go when a sink takes its lane down.
struct PanicGuard<'a>(&'a Inner);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        self.0.lock().panicked = true;
        self.0.idle.notify_all();
    }
}

struct Forward<'a>(&'a mut dyn Work);

impl Sink for Forward<'_> {
    fn start(&mut self, start: &BodyStart) -> Result<(), SinkFault> {
        self.0.sink().start(start)
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<(), SinkFault> {
        self.0.sink().chunk(bytes)
    }

    fn finish(&mut self) -> Result<(), SinkFault> {
        self.0.sink().finish()
    }
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Job {}

impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Job {
    /// The heap gives its greatest first: the smallest rank.
    fn cmp(&self, other: &Self) -> Ordering {
        other.rank.cmp(&self.rank)
    }
}
