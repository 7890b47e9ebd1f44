//! Static deltas: files that lead from one commit, or from nothing, to another.
//!
//! ```text
//! superblock   what the delta leads from and to, the commit, what each part and fallback holds; perhaps signed
//! 0, 1, ...    parts: a byte that says how the rest is compressed, and a payload of tables, data and operations
//! ```
//! Nothing is applied here: an [`Operation`] says which bytes of which data it wants, and whoever applies it checks that
//! they are there.

mod index;
mod name;
mod opcode;
mod part;
mod superblock;

pub use index::{DELTAS_KEY, DeltaIndex};
pub use name::DeltaName;
pub use opcode::{MAX_OPERATION_SIZE, Operation, Operations};
pub use part::{
    Compression, FileOwner, MAX_TABLE_SIZE, Part, PartBuilder, PartLayout, XattrsTable,
    parse_owners,
};
pub use superblock::{
    ByteOrder, ENDIANNESS_KEY, Fallback, PartHeader, SignedSuperblock, Superblock,
};
