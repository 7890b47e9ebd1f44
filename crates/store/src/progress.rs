//! What long work says of itself: [`Event`] values to a [`Sink`]. The library never draws.

/// Which long work an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Reading a directory into objects.
    Commit,
    /// Writing a tree from objects.
    Checkout,
    /// Fetching objects from a remote or another repository.
    Pull,
    /// Checking objects.
    Fsck,
    /// Marking and deleting objects.
    Prune,
    /// Making or applying a static delta.
    Delta,
    /// Laying objects together in packs.
    Pack,
    /// Reading files for a composefs image.
    Image,
    /// Making written data durable.
    Sync,
}

/// How objects come over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As differences to what is here.
    Deltas,
    /// Many together, in parts of files.
    Packs,
    /// One by one.
    Objects,
}

/// One thing that happened in long work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A phase began; totals are `None` while they are unknown.
    Begin {
        /// The phase.
        phase: Phase,
        /// How many objects it will handle.
        objects: Option<u64>,
        /// How many bytes it will handle.
        bytes: Option<u64>,
    },
    /// Totals became known, or grew, in the running phase.
    Total {
        /// The phase.
        phase: Phase,
        /// How many objects it will handle.
        objects: u64,
        /// How many bytes it will handle; 0 if unknown.
        bytes: u64,
    },
    /// Work was done since the last event of this phase (a difference, not a sum).
    Advance {
        /// The phase.
        phase: Phase,
        /// Objects done.
        objects: u64,
        /// Bytes done.
        bytes: u64,
    },
    /// The phase ended.
    End {
        /// The phase.
        phase: Phase,
    },
    /// By which way objects will come, and why by this one; said once a pull, or again where the way changes.
    Route {
        /// The way.
        way: Way,
        /// Why, in words.
        reason: String,
    },
    /// Something a person should know that is no error.
    Notice(String),
}

/// Receives events; called from several threads, so it must be quick.
pub trait Sink: Send + Sync {
    /// Takes one event.
    fn event(&self, event: Event);
}

/// The sink that drops every event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Sink for Silent {
    fn event(&self, _event: Event) {}
}
