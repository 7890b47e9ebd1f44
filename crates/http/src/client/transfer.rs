//! One body from the first attempt to the last.

use crate::client::attempt::{Flow, Outcome, Partial, Task, attempt};
use crate::client::error::{FetchError, FetchFault};
use crate::client::fetcher::Core;
use crate::client::hop::Failure;
use crate::client::mirrors::shown;
use crate::client::request::{Conditional, Request, Resume, Sink, Transferred, Validator};
use crate::client::retry::{History, Verdict};
use crate::client::watch::Watch;

/// Brings `request` into `sink`; `None` if the condition says that it is not needed.
pub(crate) async fn transfer(
    core: &Core,
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
        conditional,
    };
    let mut flow = Flow {
        partial: left_behind(request.resume.as_ref()),
        sink,
        watch: Watch::new(&core.limits),
    };
    let mut mirror = mirrors.preferred();
    let mut history = History::new(mirrors.len(), mirror);
    let mut high_water = flow.partial.have;
    let mut telling: Option<Failure> = None;
    for attempts in 1.. {
        let failure = match attempt(&task, mirror, &mut flow).await {
            Ok(outcome) => {
                mirrors.prefer(mirror);
                return Ok(report(outcome, &flow.partial, attempts));
            }
            Err(failure) => failure,
        };
        mirrors.forget_redirect(mirror);
        history.progressed(flow.partial.have.saturating_sub(high_water));
        high_water = high_water.max(flow.partial.have);
        let verdict = history.after(&failure.fault, &core.retry);
        telling = Some(more_telling(telling, failure));
        match verdict {
            Verdict::GiveUp => return Err(error(telling, attempts)),
            Verdict::Again {
                mirror: next,
                delay,
            } => {
                mirror = next;
                core.counters.retry();
                tokio::time::sleep(delay).await;
                flow.watch.restart();
            }
        }
    }
    unreachable!("the history gives up before the attempts run out")
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

fn error(failure: Option<Failure>, attempts: u32) -> FetchError {
    let Failure { url, fault } = failure.expect("a transfer gives up after a failure");
    FetchError {
        url: shown(&url),
        attempts,
        fault,
    }
}
