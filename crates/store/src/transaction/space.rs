//! The room that `core.min-free-space-*` leaves for content objects.

use std::sync::atomic::{AtomicU64, Ordering};

use ostler_fs::Space;

use crate::config::MinFreeSpace;
use crate::error::StoreError;
use crate::repo::Repo;

/// Counts down the bytes that may still be written; shared by all writing threads.
#[derive(Debug)]
pub(crate) struct SpaceBudget {
    left: AtomicU64,
    limit: MinFreeSpace,
}

impl SpaceBudget {
    /// What may be written into a repository by now.
    ///
    /// # Errors
    /// [`StoreError::Fs`].
    pub(crate) fn of(repo: &Repo) -> Result<Self, StoreError> {
        Ok(Self::new(
            repo.objects().space()?,
            repo.config().min_free_space,
        ))
    }

    /// Measures from the file system as it is now.
    fn new(space: Space, limit: MinFreeSpace) -> Self {
        let reserved = match limit {
            MinFreeSpace::Bytes(bytes) => bytes,
            // Divide first: the product of a large file system's size and 99 must not overflow.
            MinFreeSpace::Percent(percent) => space.total_bytes / 100 * percent,
        };
        Self {
            left: AtomicU64::new(space.free_bytes.saturating_sub(reserved)),
            limit,
        }
    }

    /// Takes `bytes` from the budget.
    ///
    /// # Errors
    /// [`StoreError::MinFreeSpace`] if less is left; nothing is taken then.
    pub(crate) fn take(&self, bytes: u64) -> Result<(), StoreError> {
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            })
            .map(drop)
            .map_err(|left| StoreError::MinFreeSpace {
                limit: self.describe(),
                short: format_size(bytes - left),
            })
    }

    /// Gives back what turned out not to be written.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that may still be written.
    pub(crate) fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    fn describe(&self) -> String {
        match self.limit {
            MinFreeSpace::Bytes(bytes) => format!("min-free-space-size {}", format_size(bytes)),
            MinFreeSpace::Percent(percent) => format!("min-free-space-percent '{percent}%'"),
        }
    }
}

/// Formats a number of bytes with one decimal and a unit of powers of 1000, as GLib's `g_format_size` does.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} byte{}", if bytes == 1 { "" } else { "s" });
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1}\u{a0}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(total_bytes: u64, free_bytes: u64) -> Space {
        Space {
            total_bytes,
            free_bytes,
            available_bytes: free_bytes,
            block_bytes: 4096,
            total_inodes: 1000,
            free_inodes: 1000,
        }
    }

    #[test]
    fn a_refused_request_takes_nothing() {
        let budget = SpaceBudget::new(space(10_000, 1_300), MinFreeSpace::Percent(3));
        assert_eq!(budget.left(), 1_000);
        let error = budget.take(1_500).unwrap_err().to_string();
        assert_eq!(
            error,
            "min-free-space-percent '3%' would be exceeded, at least 500 bytes requested"
        );
        budget.take(1_000).unwrap();
        assert!(budget.take(1).is_err());
        budget.give_back(1);
        budget.take(1).unwrap();
    }

    #[test]
    fn sizes_are_spelled_as_glib_spells_them() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1.0\u{a0}kB"),
            (1_250_000, "1.2\u{a0}MB"),
        ] {
            assert_eq!(format_size(bytes), text);
        }
    }
}
