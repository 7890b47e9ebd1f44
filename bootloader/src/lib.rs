//! Boot loader backends and the programs that run before the real root.
