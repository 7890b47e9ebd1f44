//! What acts by itself on a running host: [`health`] finds out whether the system works.

pub mod health;
