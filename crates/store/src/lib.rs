//! The OSTree repository.
