//! Accepts connections and answers their requests.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_LENGTH, HeaderValue, USER_AGENT};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::server::answer::{Facts, Plan, plan_answer};
use crate::server::body::{Access, AnswerBody, FIRST_PIECE_BYTES, Reader};
use crate::server::path::parse_path;
use crate::server::timed::Timed;
use crate::server::{Opened, ServeOptions, Source};

/// What the connections of one server share.
struct Site {
    source: Arc<dyn Source>,
    options: ServeOptions,
}

/// Runs until `stopping` turns true and the last connection has ended.
pub(super) async fn accept_all(
    listener: TcpListener,
    source: Arc<dyn Source>,
    options: ServeOptions,
    mut stopping: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(options.max_connections.max(1)));
    let site = Arc::new(Site { source, options });
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            next = next => next,
        };
        match accepted {
            Ok((stream, peer)) => {
                let talk = talk(stream, peer, Arc::clone(&site), stopping.clone());
                connections.spawn(async move {
                    talk.await;
                    drop(place);
                });
            }
            // Out of descriptors, most likely: connections that end will free some.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn talk(
    stream: TcpStream,
    peer: SocketAddr,
    site: Arc<Site>,
    mut stopping: watch::Receiver<bool>,
) {
    // Only latency is lost if this fails.
    let _ = stream.set_nodelay(true);
    let owed = Arc::new(AtomicUsize::new(0));
    let options = &site.options;
    let io = TokioIo::new(Timed::new(stream, options, Arc::clone(&owed)));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(options.max_header_bytes.max(8192));
    let service =
        service_fn(|request| respond(Arc::clone(&site), peer, Arc::clone(&owed), request));
    let connection = builder.serve_connection(io, service);
    tokio::pin!(connection);
    tokio::select! {
        // A fault of one connection has no one to be told to: its client sees it.
        _ = connection.as_mut() => return,
        _ = stopping.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn respond(
    site: Arc<Site>,
    peer: SocketAddr,
    owed: Arc<AtomicUsize>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    let mut response = match request.method() {
        &Method::GET | &Method::HEAD => file_response(&site, &request),
        _ => {
            let mut response = short(StatusCode::METHOD_NOT_ALLOWED, request.method());
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allowed);
            response
        }
    };
    let log = site.options.access_log.clone();
    let mut access = log
        .as_ref()
        .map(|_| access_of(peer, &request, response.status()));
    owed.fetch_add(1, Ordering::Relaxed);
    response.body_mut().on_end(Box::new(move |bytes| {
        owed.fetch_sub(1, Ordering::Relaxed);
        if let (Some(log), Some(mut access)) = (log, access.take()) {
            access.bytes = bytes;
            log(&access);
        }
    }));
    Ok(response)
}

fn access_of(peer: SocketAddr, request: &Request<Incoming>, status: StatusCode) -> Access {
    let agent = request.headers().get(USER_AGENT);
    Access {
        peer,
        method: request.method().to_string(),
        target: request.uri().to_string(),
        status: status.as_u16(),
        bytes: 0,
        user_agent: agent
            .and_then(|agent| agent.to_str().ok())
            .map(str::to_owned),
    }
}

/// An answer that is about the request, not the file.
fn short(status: StatusCode, method: &Method) -> Response<AnswerBody> {
    let text = status.canonical_reason().unwrap_or_default();
    let length = HeaderValue::from(text.len());
    let body = if method == Method::HEAD { "" } else { text };
    let mut response = Response::new(AnswerBody::text(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}

fn file_response(site: &Site, request: &Request<Incoming>) -> Response<AnswerBody> {
    let method = request.method();
    let Ok(segments) = parse_path(request.uri().path()) else {
        return short(StatusCode::BAD_REQUEST, method);
    };
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let opened = site.source.open(&segments).transpose();
    let response = opened.map(|opened| prepare(method, request.headers(), opened?));
    match response.transpose() {
        Ok(Some(response)) => response,
        Ok(None) => short(StatusCode::NOT_FOUND, method),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            short(StatusCode::FORBIDDEN, method)
        }
        Err(_) => short(StatusCode::INTERNAL_SERVER_ERROR, method),
    }
}

/// Plans the answer and reads its first piece here and now: handing a small file to another thread costs more than reading it.
fn prepare(
    method: &Method,
    headers: &hyper::HeaderMap,
    opened: Opened,
) -> io::Result<Response<AnswerBody>> {
    let Plan {
        status,
        headers,
        first,
        len,
    } = plan_answer(method, headers, &Facts::of(&opened), SystemTime::now());
    let mut reader = Reader {
        file: opened.file,
        offset: first,
    };
    let piece = reader.read(len.min(FIRST_PIECE_BYTES))?;
    if (piece.len() as u64) < len.min(FIRST_PIECE_BYTES) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let whole = piece.len() as u64 == len;
    let reader = (!whole).then_some(reader);
    let mut response = Response::new(AnswerBody::new(len, piece, reader));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}
