//! What the network still owes of a commit.

use super::session::{Presence, Turn};

/// A commit of which a part is still awaited.
pub(super) struct Awaited {
    pub(super) turn: Turn,
    pub(super) presence: Presence,
    pub(super) bytes: Option<Vec<u8>>,
    /// The detached metadata, once the server has answered.
    pub(super) detached: Option<Detached>,
}

/// What the server has beside a commit.
pub(super) enum Detached {
    Nothing,
    Bytes(Vec<u8>),
    /// Something that is no metadata, and is not taken.
    Malformed(Vec<u8>),
}

impl Detached {
    /// The bytes as they came, if any.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Nothing => None,
            Self::Bytes(bytes) | Self::Malformed(bytes) => Some(bytes),
        }
    }
}
