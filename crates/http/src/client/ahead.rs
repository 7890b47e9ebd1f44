//! The rest of a large body in pieces, several at once, each over a connection of its own.
//!
//! One connection is slower than a link that is long or shared: a body that is large and waits for the network more than for its sink is
//! split while it comes. The first answer goes on until the first piece begins and is dropped there; pieces are asked for by ranges, of any mirror
//! that names the content, and the sink gets them in order. In memory are as many pieces as are under way. What a piece does not
//! bring is asked for in one range, as if nothing had been split.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use crate::client::attempt::{Flow, Partial, Task, attempt};
use crate::client::fetcher::{Core, Memory};
use crate::client::mirrors::Mirrors;
use crate::client::request::{Conditional, Naming, Part};
use crate::client::watch::Watch;

/// Bytes of a piece.
const PIECE: u64 = 4 << 20;
/// Pieces of one body that are under way.
const AT_ONCE: usize = 4;
/// Bytes that come before it is decided.
const AFTER: u64 = 1 << 20;
/// Where so little is left it is not worth it.
const LEAST_LEFT: u64 = 16 << 20;

/// How long a body was waited for, and how long its sink took.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    waited: Duration,
    worked: Duration,
    bytes: u64,
}

impl Pulse {
    /// Notes a chunk: when it was waited for, came, and was taken.
    pub(crate) fn beat(&mut self, bytes: u64, began: Instant, came: Instant) {
        self.waited += came - began;
        self.worked += came.elapsed();
        self.bytes += bytes;
    }

    /// Whether splitting what is left is worth it.
    pub(crate) fn is_worth_it(&self, left: u64) -> bool {
        self.bytes >= AFTER && left >= LEAST_LEFT && self.waited > self.worked
    }
}

/// Pieces of a body that are under way.
pub(crate) struct Ahead {
    origin: Origin,
    /// Where the first piece begins that the sink has not got.
    begins: u64,
    /// Where the next one begins that has not been asked for.
    next: u64,
    pieces: VecDeque<Piece>,
}

/// Where pieces come from.
#[derive(Clone)]
struct Origin {
    core: Arc<Core>,
    mirrors: Mirrors,
    path: String,
    /// Where in the file the body begins, and how long both are.
    first: u64,
    length: u64,
    whole: u64,
}

struct Piece {
    coming: JoinHandle<Option<Vec<u8>>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.coming.abort();
    }
}

impl Ahead {
    /// Asks for the pieces of a body of `length` bytes after the next one behind `have`; `None` if there is no room for any.
    pub(crate) fn begin(task: &Task<'_>, have: u64, length: u64) -> Option<Self> {
        let begins = have + PIECE;
        let origin = Origin {
            core: Arc::clone(task.core),
            mirrors: task.mirrors.clone(),
            path: task.path.to_owned(),
            first: task.part.map_or(0, |part| part.first),
            length,
            whole: task.part.map_or(length, |part| part.whole),
        };
        let mut ahead = Self {
            origin,
            begins,
            next: begins,
            pieces: VecDeque::new(),
        };
        ahead.ask();
        (!ahead.pieces.is_empty()).then_some(ahead)
    }

    /// Where the first piece begins: what is before it comes otherwise.
    pub(crate) fn begins(&self) -> u64 {
        self.begins
    }

    /// The next piece; `None` at the end, or if it did not come.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        if self.pieces.is_empty() {
            // Others have all places: one piece there is always.
            self.push(None);
        }
        let mut piece = self.pieces.pop_front()?;
        let bytes = (&mut piece.coming).await.ok()??;
        self.begins += bytes.len() as u64;
        drop(piece);
        self.ask();
        Some(bytes)
    }

    /// Asks for as many pieces as there are places for.
    fn ask(&mut self) {
        while self.pieces.len() < AT_ONCE && self.next < self.origin.length {
            let places = Arc::clone(&self.origin.core.large_bodies);
            let Ok(place) = places.try_acquire_owned() else {
                return;
            };
            self.push(Some(place));
        }
    }

    fn push(&mut self, place: Option<OwnedSemaphorePermit>) {
        let length = PIECE.min(self.origin.length - self.next);
        if length == 0 {
            return;
        }
        let part = Part {
            first: self.origin.first + self.next,
            length,
            whole: self.origin.whole,
        };
        self.next += length;
        self.pieces.push_back(Piece {
            coming: tokio::spawn(fetch(self.origin.clone(), part)),
            _place: place,
        });
    }
}

/// Fetches a piece; `None` if that mirror does not give it.
fn fetch(origin: Origin, part: Part) -> Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send>> {
    Box::pin(async move {
        let mirrors = &origin.mirrors;
        let index = mirrors.choose();
        let task = Task {
            core: &origin.core,
            mirrors,
            path: &origin.path,
            cap_bytes: part.length,
            // Over a connection of its own.
            size_hint: origin.length,
            naming: Naming::ByContent,
            part: Some(part),
            conditional: &Conditional::default(),
        };
        let mut sink = Memory::default();
        let mut flow = Flow {
            partial: Partial::default(),
            sink: &mut sink,
            watch: Watch::new(&origin.core.limits),
            may_split: false,
        };
        let in_flight = mirrors.enter(index);
        let began = Instant::now();
        let shortcut = mirrors.moved_to(index);
        let came = attempt(&task, index, shortcut.as_ref(), &mut flow).await;
        drop(in_flight);
        came.ok()?;
        mirrors.learn(index, part.length, began.elapsed().as_secs_f64(), &[]);
        Some(sink.into_bytes())
    })
}
