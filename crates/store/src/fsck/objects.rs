//! Checking many objects, on all processors.

use std::borrow::Cow;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use ostler_format::ObjectName;

use super::{Fsck, Remedy};
use crate::error::StoreError;
use crate::object::ObjectVerifier;
use crate::progress::{Event, Phase, Sink};
use crate::repo::Repo;

impl Fsck<'_> {
    /// Checks each of `objects`; returns those that fail. Stops early where the first damage ends the check.
    pub(super) fn check_objects(
        &mut self,
        objects: &[ObjectName],
        sink: &dyn Sink,
    ) -> Vec<(ObjectName, StoreError)> {
        sink.event(Event::Begin {
            phase: Phase::Fsck,
            objects: Some(objects.len() as u64),
            bytes: None,
        });
        let repo: &Repo = self.repo;
        let objects = &in_order(repo, objects);
        let goes_on = self.options.keep_going || self.options.remedy != Remedy::None;
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let failures = Mutex::new(Vec::new());
        let worker = || -> u64 {
            let mut verifier = ObjectVerifier::new(repo);
            let mut bytes = 0;
            while !stop.load(Ordering::Relaxed) {
                let Some(name) = objects.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    break;
                };
                let checked = verifier.verify(*name).unwrap_or_else(|error| {
                    let missing = matches!(error, StoreError::ObjectMissing { .. });
                    stop.fetch_or(
                        !(missing || goes_on && error.is_damage()),
                        Ordering::Relaxed,
                    );
                    failures
                        .lock()
                        .expect("no worker panics")
                        .push((*name, error));
                    0
                });
                bytes += checked;
                sink.event(Event::Advance {
                    phase: Phase::Fsck,
                    objects: 1,
                    bytes: checked,
                });
            }
            bytes
        };
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        self.report.bytes += thread::scope(|scope| {
            let others: Vec<_> = (1..workers).map(|_| scope.spawn(worker)).collect();
            let own = worker();
            others.into_iter().fold(own, |sum, other| {
                sum + other.join().expect("no worker panics")
            })
        });
        sink.event(Event::End { phase: Phase::Fsck });
        failures.into_inner().expect("no worker panics")
    }
}

/// Content that only packs have comes last, in their order: each of their groups is unpacked once.
fn in_order<'o>(repo: &Repo, objects: &'o [ObjectName]) -> Cow<'o, [ObjectName]> {
    // What is wrong with the index is told where an object is looked for.
    let Ok(Some(places)) = repo.left_out() else {
        return Cow::Borrowed(objects);
    };
    let mut objects = objects.to_vec();
    objects.sort_by_cached_key(|name| places.find(name));
    Cow::Owned(objects)
}
