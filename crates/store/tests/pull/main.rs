//! Pulling: from honest servers and from hostile ones, from this machine, in part, again.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod access;
mod deltas;
mod dry_run;
mod front;
mod ground;
mod honest;
mod hostile;
mod left_out;
mod limits;
mod local;
mod metalinks;
mod mirrors;
mod native;
mod packs;
mod resume;
mod server;
mod signed;
mod summaries;
