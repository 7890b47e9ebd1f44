//! Claims on the object formats: against the real `ostree`, against the `gvariant` crate, against GLib's text, and
//! under random values and broken bytes.

#![allow(clippy::unwrap_used)]

mod deltas;
mod difference;
mod gvariant_crate;
mod mutations;
mod native;
mod round_trips;
mod samples;
mod spec;
mod strictness;
mod text;
mod world;

mod real_ostree;
