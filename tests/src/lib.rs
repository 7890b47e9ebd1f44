//! Suites that run the real program.
