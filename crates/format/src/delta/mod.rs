//! Static deltas: files that lead from one commit, or from nothing, to another.
//!
//! ```text
//! superblock   what the delta leads from and to, the commit, what each part and fallback holds; perhaps signed
//! 0, 1, ...    parts: a byte that says how the rest is compressed, and a payload of tables, data and operations
//! ```
//! Beside them there is an encoding of Ostler's own, [`NativeDelta`].
//!
//! Nothing is applied here: an [`Operation`] says which bytes of which data it wants, and whoever applies it checks that
//! they are there.

mod difference;
mod index;
mod name;
mod native;
mod opcode;
mod part;
mod superblock;

pub use difference::{Difference, Region};
pub use index::{DELTAS_KEY, DeltaIndex};
pub use name::DeltaName;
pub use native::{
    Coding, DeltaFrame, DeltaGroup, MAX_FRAME, MAX_NATIVE_INDEX, MAX_NATIVE_LIST, MAX_PREFIX,
    MIN_FRAME, NATIVE_HEAD, NativeDelta, NativeEntry, NativeList, Source, SourceRange,
};
pub use opcode::{MAX_OPERATION_SIZE, Operation, Operations};
pub use part::{
    Compression, FileOwner, MAX_TABLE_SIZE, Part, PartBuilder, PartLayout, XattrsTable,
    parse_owners,
};
pub use superblock::{
    ByteOrder, ENDIANNESS_KEY, Fallback, PartHeader, SignedSuperblock, Superblock,
};
