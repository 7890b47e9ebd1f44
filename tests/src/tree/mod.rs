//! Trees on disk: made at random, and compared.

pub mod os;
pub mod random;
pub mod snapshot;
