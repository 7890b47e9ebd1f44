//! One answer: sends a request and follows redirects, leaving the secrets with the origins that they are for.

use std::error::Error;
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};

use crate::client::connect::error_chain;
use crate::client::error::FetchFault;
use crate::client::fetcher::Core;
use crate::client::mirrors::dialling_obstacle;
use crate::client::watch::Watch;
use crate::date;

const REDIRECT_LIMIT: u32 = 20;

/// What is sent, and to whom first.
pub(crate) struct Question<'a> {
    /// Where to begin.
    pub(crate) url: Url,
    /// The URL that the caller named; secrets are for its origin.
    pub(crate) named: &'a Url,
    /// Conditions and ranges.
    pub(crate) headers: HeaderMap,
    /// About how long the body will be.
    pub(crate) size_hint: u64,
}

/// An answer that is not a redirect.
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) url: Url,
    pub(crate) redirects: u32,
}

/// A failure and the URL that gave it.
pub(crate) struct Failure {
    pub(crate) url: Url,
    pub(crate) fault: FetchFault,
}

pub(crate) async fn ask(
    core: &Core,
    question: Question<'_>,
    watch: &mut Watch,
) -> Result<Answer, Failure> {
    let Question {
        mut url,
        named,
        headers,
        size_hint,
    } = question;
    for redirects in 0..=REDIRECT_LIMIT {
        let sent = send(core, &url, named, &headers, size_hint, watch).await;
        let response = match sent {
            Ok(response) => response,
            Err(fault) => return Err(Failure { url, fault }),
        };
        if !is_redirect(response.status()) {
            return Ok(Answer {
                response,
                url,
                redirects,
            });
        }
        url = match next_url(&url, &response) {
            Ok(next) => next,
            Err(fault) => return Err(Failure { url, fault }),
        };
    }
    let limit = REDIRECT_LIMIT;
    let fault = FetchFault::TooManyRedirects { limit };
    Err(Failure { url, fault })
}

async fn send(
    core: &Core,
    url: &Url,
    named: &Url,
    headers: &HeaderMap,
    size_hint: u64,
    watch: &mut Watch,
) -> Result<Response, FetchFault> {
    let client = core.clients.pool(url, size_hint)?;
    let request = client
        .get(url.clone())
        .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
        .headers(headers.clone());
    let request = core.secrets.apply(request, url, named);
    core.counters.request();
    let sent = watch.wait(request.send()).await?;
    watch.restart();
    sent.map_err(|error| transport_fault(&error))
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn next_url(url: &Url, response: &Response) -> Result<Url, FetchFault> {
    let location = text_header(response.headers(), &LOCATION).unwrap_or_default();
    let next = url
        .join(location)
        .ok()
        .filter(|url| dialling_obstacle(url).is_none());
    match next {
        Some(next) if !location.is_empty() => Ok(next),
        _ => Err(FetchFault::BadRedirect {
            location: location.to_owned(),
        }),
    }
}

/// The status as a fault; only for statuses that bring no body of ours.
pub(crate) fn status_fault(response: &Response) -> FetchFault {
    let status = response.status().as_u16();
    if matches!(status, 403 | 404 | 410) {
        return FetchFault::NotFound { status };
    }
    let retry_after = text_header(response.headers(), &RETRY_AFTER)
        .and_then(|text| parse_retry_after(text, SystemTime::now()));
    FetchFault::Status {
        status,
        retry_after,
    }
}

fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = date::parse(text)?;
    Some(until.duration_since(now).unwrap_or_default())
}

pub(crate) fn text_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Tells a refusal that will be repeated from a connection that may work next time.
pub(crate) fn transport_fault(error: &reqwest::Error) -> FetchFault {
    let outermost: &(dyn Error + 'static) = error;
    // The outermost text repeats the URL, which every message has already.
    let message = match outermost.source() {
        Some(cause) => error_chain(cause),
        None => error.to_string(),
    };
    let mut causes = std::iter::successors(Some(outermost), |error| (*error).source());
    match causes.find_map(tls_error) {
        Some(refusal) if is_lasting(refusal) => FetchFault::Certificate(refusal.to_string()),
        _ => FetchFault::Transport(message),
    }
}

fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(refusal) = error.downcast_ref() {
        return Some(refusal);
    }
    // An I/O error does not count what it wraps among its causes.
    let wrapped = error.downcast_ref::<std::io::Error>()?.get_ref()?;
    tls_error(wrapped)
}

fn is_lasting(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(_)
            | rustls::Error::AlertReceived(_)
            | rustls::Error::PeerIncompatible(_)
            | rustls::Error::NoCertificatesPresented
            | rustls::Error::InvalidMessage(_)
    )
}
