//! Sizes for people, with decimal units.

pub(crate) use ostler_store::transaction::format_size as decimal;
