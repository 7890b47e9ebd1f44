//! One attempt at one body: asks for what is missing, judges the answer, streams it into the sink.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use reqwest::header::{
    ACCEPT_RANGES, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::{Response, StatusCode, Url, Version};

use crate::client::ahead::{Ahead, Pulse};
use crate::client::connect::is_large;
use crate::client::error::FetchFault;
use crate::client::fetcher::Core;
use crate::client::hop::{
    Answer, Failure, Question, ask, status_fault, text_header, transport_fault,
};
use crate::client::mirrors::{Mirrors, join, shown};
use crate::client::request::{BodyStart, Conditional, Naming, Part, Sink, SinkFault};
use crate::client::watch::Watch;
use crate::date;
use crate::range::{Given, is_strong_etag, parse_content_range};

/// Bytes of a piece that a sink gets at once.
const PIECE_CHUNK: usize = 64 << 10;

/// What does not change between the attempts of a transfer.
pub(crate) struct Task<'a> {
    pub(crate) core: &'a Arc<Core>,
    pub(crate) mirrors: &'a Mirrors,
    pub(crate) path: &'a str,
    pub(crate) cap_bytes: u64,
    pub(crate) size_hint: u64,
    pub(crate) naming: Naming,
    pub(crate) part: Option<Part>,
    pub(crate) conditional: &'a Conditional,
}

/// The part of the body that the sink has, and what is known of the rest.
#[derive(Debug, Default)]
pub(crate) struct Partial {
    /// Bytes that the sink has.
    pub(crate) have: u64,
    /// Length of the whole body.
    pub(crate) total: Option<u64>,
    /// Strong `ETag` of the body that they begin.
    pub(crate) etag: Option<String>,
    /// The mirror that gave them; `None` if an earlier run did.
    pub(crate) mirror: Option<usize>,
    /// All bytes that came, repeated ones included.
    pub(crate) moved: u64,
}

/// A body that came whole, or need not come.
pub(crate) enum Outcome {
    Whole(Head),
    NotModified,
}

/// What the head of the answer says beyond the body.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) url: String,
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<SystemTime>,
}

/// What changes as bytes come.
pub(crate) struct Flow<'a> {
    pub(crate) partial: Partial,
    pub(crate) sink: &'a mut dyn Sink,
    pub(crate) watch: Watch,
    /// Whether the rest of a large body may come in pieces.
    pub(crate) may_split: bool,
}

/// How far a body came.
enum Streamed {
    Whole,
    /// A piece of it is missing, and is to be asked for with all that follows.
    Rest,
}

/// Asks mirror `index` once, or `shortcut`, a base that it redirects to. On failure `flow.partial` says what the sink has.
pub(crate) async fn attempt(
    task: &Task<'_>,
    index: usize,
    shortcut: Option<&Url>,
    flow: &mut Flow<'_>,
) -> Result<Outcome, Failure> {
    loop {
        match ask_once(task, index, shortcut, flow).await? {
            Some(outcome) => return Ok(outcome),
            None => flow.may_split = false,
        }
    }
}

/// Returns `None` if pieces did not come.
async fn ask_once(
    task: &Task<'_>,
    index: usize,
    shortcut: Option<&Url>,
    flow: &mut Flow<'_>,
) -> Result<Option<Outcome>, Failure> {
    let base = task.mirrors.base(index);
    let named = join(base, task.path).map_err(|fault| Failure {
        url: base.clone(),
        fault,
    })?;
    let url = match shortcut {
        Some(moved) => join(moved, task.path).unwrap_or_else(|_| named.clone()),
        None => named.clone(),
    };
    let (headers, asked) = conditions(task, index, &flow.partial);
    let question = Question {
        url,
        named: &named,
        headers,
        size_hint: task.size_hint,
    };
    let began = Instant::now();
    let answer = ask(task.core, question, &mut flow.watch).await?;
    let version = answer.response.version();
    if !is_large(task.size_hint) {
        task.mirrors.saw_version(version);
    }
    if version != Version::HTTP_2 && answer.redirects == 0 {
        task.mirrors.answered(began.elapsed(), &task.core.limits);
    }
    if answer.redirects > 0 && task.naming == Naming::ByContent {
        task.mirrors.learn_redirect(index, task.path, &answer.url);
    }
    let url = answer.url.clone();
    let result = receive(task, index, asked, answer, flow).await;
    result.map_err(|fault| Failure { url, fault })
}

/// The headers, and the first byte asked for if not the whole body is.
fn conditions(task: &Task<'_>, index: usize, partial: &Partial) -> (HeaderMap, Option<u64>) {
    let mut headers = HeaderMap::new();
    let mut put = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    let resumes = partial.have > 0 && may_resume(task, index, partial);
    if resumes {
        // An ETag of another mirror proves nothing there: the length must do.
        let own = partial.mirror.is_none_or(|mirror| mirror == index);
        if let (Some(etag), true) = (&partial.etag, own) {
            put(IF_RANGE, etag);
        }
    }
    let had = if resumes { partial.have } else { 0 };
    if let Some(part) = task.part {
        let first = part.first + had;
        put(RANGE, &format!("bytes={first}-{}", part.last()));
        return (headers, Some(first));
    }
    if resumes {
        put(RANGE, &format!("bytes={had}-"));
        return (headers, Some(had));
    }
    if let Some(etag) = &task.conditional.etag {
        put(IF_NONE_MATCH, etag);
    }
    if let Some(date) = task.conditional.last_modified.and_then(date::format) {
        put(IF_MODIFIED_SINCE, &date);
    }
    (headers, None)
}

fn may_resume(task: &Task<'_>, index: usize, partial: &Partial) -> bool {
    let same_mirror = partial.mirror.is_none_or(|mirror| mirror == index);
    let by_etag = same_mirror && partial.etag.is_some();
    let by_length = task.naming == Naming::ByContent && partial.total.is_some();
    by_etag || by_length
}

async fn receive(
    task: &Task<'_>,
    index: usize,
    asked: Option<u64>,
    answer: Answer,
    flow: &mut Flow<'_>,
) -> Result<Option<Outcome>, FetchFault> {
    let Answer { response, url, .. } = answer;
    let partial = &mut flow.partial;
    let given = match response.status() {
        StatusCode::OK if task.part.is_some() => {
            return Err(bad_range(&response, asked.unwrap_or(0)));
        }
        StatusCode::OK => None,
        StatusCode::PARTIAL_CONTENT => {
            let asked = asked.unwrap_or(0);
            let checked = check_part(task, index, asked, &response, partial);
            // What the sink has may not be a beginning of this body.
            Some(checked.inspect_err(|_| forget(partial))?)
        }
        StatusCode::NOT_MODIFIED if asked.is_none() && has_condition(task.conditional) => {
            return Ok(Some(Outcome::NotModified));
        }
        StatusCode::RANGE_NOT_SATISFIABLE if asked.is_some() => {
            forget(partial);
            return Err(bad_range(&response, asked.unwrap_or(0)));
        }
        _ => return Err(status_fault(&response)),
    };
    let head = read_head(&response, &url);
    begin(task, index, given, &response, partial)?;
    let start = BodyStart {
        total_bytes: partial.total,
        resumed_at: partial.have,
        etag: head.etag.clone(),
    };
    let started = flow.sink.start(&start);
    started.map_err(|fault| refused(fault, &mut flow.partial))?;
    flow.may_split &= gives_ranges(task, &response);
    if let Streamed::Rest = stream(task, response, flow).await? {
        return Ok(None);
    }
    let finished = flow.sink.finish();
    finished.map_err(|fault| refused(fault, &mut flow.partial))?;
    Ok(Some(Outcome::Whole(head)))
}

/// Whether pieces may be asked for: the name proves the content, and the server says that it has ranges.
fn gives_ranges(task: &Task<'_>, response: &Response) -> bool {
    let says_so = response.status() == StatusCode::PARTIAL_CONTENT
        || text_header(response.headers(), &ACCEPT_RANGES) == Some("bytes");
    says_so && task.naming == Naming::ByContent && task.core.limits.bytes_per_second.is_none()
}

fn has_condition(conditional: &Conditional) -> bool {
    conditional.etag.is_some() || conditional.last_modified.is_some()
}

fn forget(partial: &mut Partial) {
    *partial = Partial {
        moved: partial.moved,
        ..Partial::default()
    };
}

fn refused(fault: SinkFault, partial: &mut Partial) -> FetchFault {
    forget(partial);
    match fault {
        SinkFault::Wrong(error) => FetchFault::Wrong(error),
        SinkFault::Fatal(error) => FetchFault::Sink(error),
    }
}

fn read_head(response: &Response, url: &Url) -> Head {
    let headers = response.headers();
    Head {
        url: shown(url),
        etag: text_header(headers, &ETAG).map(str::to_owned),
        last_modified: text_header(headers, &LAST_MODIFIED).and_then(date::parse),
    }
}

fn bad_range(response: &Response, asked: u64) -> FetchFault {
    let found = match text_header(response.headers(), &CONTENT_RANGE) {
        Some(range) => range.to_owned(),
        None => format!("status {}, no Content-Range", response.status().as_u16()),
    };
    FetchFault::BadRange {
        expected_start: asked,
        found,
    }
}

/// Whether a partial answer goes on where the sink stopped, in the same body.
fn check_part(
    task: &Task<'_>,
    index: usize,
    asked: u64,
    response: &Response,
    partial: &Partial,
) -> Result<Given, FetchFault> {
    let headers = response.headers();
    let given = headers
        .get(CONTENT_RANGE)
        .and_then(|value| parse_content_range(value.as_bytes()))
        .ok_or_else(|| bad_range(response, asked))?;
    let fits = given.first == asked
        && response
            .content_length()
            .is_none_or(|len| len == given.last - given.first + 1);
    let fits = fits && task.part.is_none_or(|part| given.last == part.last());
    let known = match task.part {
        Some(part) => Some(part.whole),
        None => partial.total,
    };
    let totals_equal = both(known, given.total).map(|(before, now)| before == now);
    let own = partial.mirror.is_none_or(|mirror| mirror == index);
    let etag_now = text_header(headers, &ETAG).filter(|etag| own && is_strong_etag(etag));
    let etags_equal = both(partial.etag.as_deref(), etag_now).map(|(before, now)| before == now);
    let proven = match task.naming {
        _ if asked == task.part.map_or(0, |part| part.first) => true,
        // The condition that was sent is proof enough, as the caller has a checksum.
        Naming::ByContent => totals_equal == Some(true) || (own && partial.etag.is_some()),
        Naming::ByName => etags_equal == Some(true),
    };
    let contradicted = totals_equal == Some(false) || etags_equal == Some(false);
    if !fits || !proven || contradicted {
        return Err(bad_range(response, asked));
    }
    Ok(given)
}

fn both<T>(before: Option<T>, now: Option<T>) -> Option<(T, T)> {
    Some((before?, now?))
}

/// Takes the head of an answer into `partial`, unless the body is too long.
fn begin(
    task: &Task<'_>,
    index: usize,
    given: Option<Given>,
    response: &Response,
    partial: &mut Partial,
) -> Result<(), FetchFault> {
    let total = match (given, task.part) {
        (None, _) => response.content_length(),
        (Some(_), Some(part)) => Some(part.length),
        (Some(given), None) => given.total.or(partial.total),
    };
    if let Some(announced) = total.filter(|total| *total > task.cap_bytes) {
        return Err(FetchFault::TooLarge {
            cap_bytes: task.cap_bytes,
            announced_bytes: Some(announced),
        });
    }
    let etag = text_header(response.headers(), &ETAG).filter(|etag| is_strong_etag(etag));
    *partial = Partial {
        have: given.map_or(0, |given| {
            given.first - task.part.map_or(0, |part| part.first)
        }),
        total,
        etag: etag.map(str::to_owned),
        mirror: Some(index),
        moved: partial.moved,
    };
    Ok(())
}

/// Feeds the sink until the body is whole.
async fn stream(
    task: &Task<'_>,
    mut response: Response,
    flow: &mut Flow<'_>,
) -> Result<Streamed, FetchFault> {
    let Flow {
        partial,
        sink,
        watch,
        may_split,
    } = flow;
    let limit = partial.total.unwrap_or(task.cap_bytes);
    let mut pulse = Pulse::default();
    loop {
        let began = Instant::now();
        let chunk = match watch.wait(response.chunk()).await? {
            Ok(Some(chunk)) if chunk.is_empty() => continue,
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(error) => return Err(cut(partial).unwrap_or_else(|| transport_fault(&error))),
        };
        let came = Instant::now();
        let len = chunk.len() as u64;
        watch.received(chunk.len());
        task.core.counters.received(len);
        partial.moved += len;
        if len > limit - partial.have {
            return Err(beyond_limit(task, partial));
        }
        sink.chunk(&chunk)
            .map_err(|fault| refused(fault, partial))?;
        partial.have += len;
        task.core.pace.take(len).await;
        pulse.beat(len, began, came);
        if *may_split
            && let Some(total) = partial.total
            && pulse.is_worth_it(total - partial.have)
            && let Some(ahead) = Ahead::begin(task, partial.have, total)
        {
            return stream_ahead(task, (response, ahead), flow).await;
        }
    }
    cut(partial).map_or(Ok(Streamed::Whole), Err)
}

/// Feeds the sink from the answer until the first piece begins, and from the pieces then.
async fn stream_ahead(
    task: &Task<'_>,
    (mut response, mut ahead): (Response, Ahead),
    flow: &mut Flow<'_>,
) -> Result<Streamed, FetchFault> {
    let Flow {
        partial,
        sink,
        watch,
        ..
    } = flow;
    while partial.have < ahead.begins() {
        let chunk = match watch.wait(response.chunk()).await? {
            Ok(Some(chunk)) => chunk,
            // The rest of it is asked for.
            Ok(None) | Err(_) => return Ok(Streamed::Rest),
        };
        let len = chunk.len() as u64;
        watch.received(chunk.len());
        task.core.counters.received(len);
        partial.moved += len;
        let wanted = len.min(ahead.begins() - partial.have);
        sink.chunk(&chunk[..wanted as usize])
            .map_err(|fault| refused(fault, partial))?;
        partial.have += wanted;
    }
    drop(response);
    while partial.total.is_none_or(|total| partial.have < total) {
        let Some(piece) = ahead.next().await else {
            watch.restart();
            return Ok(Streamed::Rest);
        };
        partial.moved += piece.len() as u64;
        // As much at once as the network gives otherwise.
        for chunk in piece.chunks(PIECE_CHUNK) {
            sink.chunk(chunk).map_err(|fault| refused(fault, partial))?;
            partial.have += chunk.len() as u64;
        }
    }
    Ok(Streamed::Whole)
}

fn beyond_limit(task: &Task<'_>, partial: &Partial) -> FetchFault {
    match partial.total {
        Some(total) => FetchFault::Protocol(format!("more than the announced {total} bytes came")),
        None => FetchFault::TooLarge {
            cap_bytes: task.cap_bytes,
            announced_bytes: None,
        },
    }
}

/// The fault of a body that has ended by now.
fn cut(partial: &Partial) -> Option<FetchFault> {
    let total = partial.total.filter(|total| *total != partial.have)?;
    Some(FetchFault::Short {
        expected_bytes: total,
        received_bytes: partial.have,
    })
}
