//! Memory that threads share.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A number of bytes, of which each thread takes what it needs.
pub(super) struct Budget {
    total: u64,
    left: Mutex<u64>,
    given_back: Condvar,
}

/// What a thread has taken; given back when it is dropped.
pub(super) struct Share<'b> {
    budget: &'b Budget,
    bytes: u64,
}

impl Budget {
    pub(super) fn new(total: u64) -> Self {
        Self {
            total,
            left: Mutex::new(total),
            given_back: Condvar::new(),
        }
    }

    /// Whether that much can ever be had.
    pub(super) fn fits(&self, bytes: u64) -> bool {
        bytes <= self.total
    }

    /// Waits until that much is left, or all is, and takes it.
    pub(super) fn take(&self, bytes: u64) -> Share<'_> {
        let bytes = bytes.min(self.total);
        let mut left = self.lock();
        while *left < bytes {
            left = self
                .given_back
                .wait(left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *left -= bytes;
        Share {
            budget: self,
            bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        // A number is whole whatever panicked.
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *self.budget.lock() += self.bytes;
        self.budget.given_back.notify_all();
    }
}
