//! One body from the first attempt to the last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Url;

use crate::client::attempt::{Flow, Outcome, Partial, Task, attempt};
use crate::client::connect::is_large;
use crate::client::error::{FetchError, FetchFault};
use crate::client::fetcher::Core;
use crate::client::hop::Failure;
use crate::client::mirrors::{Mirrors, shown};
use crate::client::options::RetryPolicy;
use crate::client::request::{Conditional, Naming, Request, Resume, Sink, Transferred, Validator};
use crate::client::retry::{History, Verdict};
use crate::client::watch::Watch;

/// Brings `request` into `sink`; `None` if the condition says that it is not needed.
pub(crate) async fn transfer(
    core: &Arc<Core>,
    request: &Request,
    conditional: &Conditional,
    sink: &mut dyn Sink,
) -> Result<Option<Transferred>, FetchError> {
    let mirrors = &request.mirrors;
    let task = Task {
        core,
        mirrors,
        path: &request.path,
        cap_bytes: request.cap_bytes,
        size_hint: request.size_hint_bytes.unwrap_or(0),
        naming: request.naming,
        part: request.part,
        conditional,
    };
    let mut flow = Flow {
        partial: left_behind(request.resume.as_ref()),
        sink,
        watch: Watch::new(&core.limits),
        may_split: true,
    };
    // Over HTTP/2 there are more requests in flight than connections that a server should be asked for.
    let _place = match is_large(task.size_hint) {
        true => core.large_bodies.acquire().await.ok(),
        false => None,
    };
    let mut course = Course::new(request, flow.partial.have);
    for attempts in 1.. {
        let shortcut = course.shortcut(mirrors);
        let in_flight = mirrors.enter(course.mirror);
        let (began, moved) = (Instant::now(), flow.partial.moved);
        let result = attempt(&task, course.mirror, shortcut.as_ref(), &mut flow).await;
        drop(in_flight);
        let failure = match result {
            Ok(outcome) => {
                if task.naming == Naming::ByName || attempts > 1 {
                    mirrors.prefer(course.mirror);
                }
                let (bytes, seconds) = (flow.partial.moved - moved, began.elapsed().as_secs_f64());
                mirrors.learn(course.mirror, bytes, seconds, &course.failed);
                return Ok(report(outcome, &flow.partial, attempts));
            }
            Err(failure) => failure,
        };
        if !matches!(
            failure.fault,
            FetchFault::NotFound { .. } | FetchFault::Sink(_)
        ) {
            mirrors.faulted();
        }
        let next = if shortcut.is_some() && !matches!(failure.fault, FetchFault::Sink(_)) {
            // Elsewhere is no mirror: its fault says nothing of the mirror itself, which is asked at once.
            mirrors.forget_redirect(course.mirror);
            course.shortcuts = false;
            Some(Duration::ZERO)
        } else {
            course.fail(failure, flow.partial.have, &core.retry)
        };
        let Some(delay) = next else {
            return Err(course.into_error(attempts));
        };
        core.counters.retry();
        tokio::time::sleep(delay).await;
        flow.watch.restart();
    }
    unreachable!("the history gives up before the attempts run out")
}

/// Which mirror is asked next, and what the ones before said.
struct Course {
    mirror: usize,
    history: History,
    /// The most bytes that the sink ever had: only what goes beyond them is progress.
    high_water: u64,
    /// Whether to begin where earlier requests were redirected to.
    shortcuts: bool,
    telling: Option<Failure>,
    /// The mirrors that failed.
    failed: Vec<usize>,
}

impl Course {
    fn new(request: &Request, have: u64) -> Self {
        let mirror = match request.naming {
            Naming::ByContent => request.mirrors.choose(),
            Naming::ByName => request.mirrors.preferred(),
        };
        Self {
            mirror,
            history: History::new(request.mirrors.len(), mirror),
            high_water: have,
            shortcuts: request.naming == Naming::ByContent,
            telling: None,
            failed: Vec::new(),
        }
    }

    fn shortcut(&self, mirrors: &Mirrors) -> Option<Url> {
        let usable = self.shortcuts.then(|| mirrors.moved_to(self.mirror));
        usable.flatten()
    }

    /// The wait before the next attempt, if there is to be one.
    fn fail(&mut self, failure: Failure, have: u64, policy: &RetryPolicy) -> Option<Duration> {
        self.history
            .progressed(have.saturating_sub(self.high_water));
        self.high_water = self.high_water.max(have);
        if !self.failed.contains(&self.mirror) {
            self.failed.push(self.mirror);
        }
        let verdict = self.history.after(&failure.fault, policy);
        self.telling = Some(more_telling(self.telling.take(), failure));
        match verdict {
            Verdict::GiveUp => None,
            Verdict::Again { mirror, delay } => {
                self.mirror = mirror;
                Some(delay)
            }
        }
    }

    fn into_error(self, attempts: u32) -> FetchError {
        let failure = self.telling.expect("a transfer gives up after a failure");
        FetchError {
            url: shown(&failure.url),
            attempts,
            fault: failure.fault,
        }
    }
}

fn left_behind(resume: Option<&Resume>) -> Partial {
    let Some(resume) = resume else {
        return Partial::default();
    };
    let (etag, total) = match &resume.validator {
        Validator::Etag(etag) => (Some(etag.clone()), None),
        Validator::TotalBytes(total) => (None, Some(*total)),
    };
    Partial {
        have: resume.offset,
        total,
        etag,
        ..Partial::default()
    }
}

/// "Not found" on one mirror says less than a fault of another.
fn more_telling(before: Option<Failure>, now: Failure) -> Failure {
    match before {
        Some(before)
            if matches!(now.fault, FetchFault::NotFound { .. })
                && !matches!(before.fault, FetchFault::NotFound { .. }) =>
        {
            before
        }
        _ => now,
    }
}

fn report(outcome: Outcome, partial: &Partial, attempts: u32) -> Option<Transferred> {
    match outcome {
        Outcome::NotModified => None,
        Outcome::Whole(head) => Some(Transferred {
            total_bytes: partial.have,
            moved_bytes: partial.moved,
            url: head.url,
            etag: head.etag,
            last_modified: head.last_modified,
            attempts,
        }),
    }
}
