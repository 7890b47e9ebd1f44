//! Claims on records, seals and the database file.
