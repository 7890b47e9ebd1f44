//! OSTree's bytes to Rust values and back: pure parsers and writers.
