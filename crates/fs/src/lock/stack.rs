//! [`LockStack`]: one lock of a process, asked for from many places.

use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{FileLock, LockError, LockMode, Timeout};
use crate::error::FsError;

type Open = dyn Fn() -> Result<File, FsError> + Send + Sync;

/// A lock file that many parts of one process lock, each as it needs, as libostree's repository lock is.
///
/// What is held towards other processes is the strongest of what the guards want: exclusive while one of them is, then shared, then nothing. Guards of
/// one stack don't conflict with each other; but while one waits for another process, all that lock or are dropped wait with it. Clones share the stack.
#[derive(Clone)]
pub struct LockStack(Arc<Shared>);

struct Shared {
    open: Box<Open>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lock: Option<FileLock>,
    shared: usize,
    exclusive: usize,
}

impl State {
    fn wanted(&self) -> Option<LockMode> {
        match (self.exclusive, self.shared) {
            (0, 0) => None,
            (0, _) => Some(LockMode::Shared),
            _ => Some(LockMode::Exclusive),
        }
    }

    fn count(&mut self, mode: LockMode) -> &mut usize {
        match mode {
            LockMode::Shared => &mut self.shared,
            LockMode::Exclusive => &mut self.exclusive,
        }
    }
}

impl LockStack {
    /// Makes an unlocked stack; `open` opens (and creates, if it must) the lock file for reading and writing whenever it is locked anew.
    pub fn new(open: impl Fn() -> Result<File, FsError> + Send + Sync + 'static) -> Self {
        LockStack(Arc::new(Shared {
            open: Box::new(open),
            state: Mutex::default(),
        }))
    }

    /// Locks until the guard is dropped; waits for other processes only.
    pub fn lock(&self, mode: LockMode, timeout: Timeout) -> Result<LockGuard, LockError> {
        let mut state = self.state();
        match &mut state.lock {
            Some(lock) if lock.mode() >= mode => {}
            Some(lock) => lock.change(mode, timeout)?,
            None => state.lock = Some(FileLock::acquire((self.0.open)()?, mode, timeout)?),
        }
        *state.count(mode) += 1;
        Ok(LockGuard {
            stack: self.clone(),
            mode,
        })
    }

    /// Returns what is held now.
    pub fn held(&self) -> Option<LockMode> {
        self.state().lock.as_ref().map(FileLock::mode)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is counts and a descriptor, whole after each statement: a panic elsewhere in a guard's life doesn't spoil it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for LockStack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LockStack")
            .field("held", &self.held())
            .finish()
    }
}

/// A part's hold on a [`LockStack`].
#[derive(Debug)]
#[must_use = "the lock is given up when the guard is dropped"]
pub struct LockGuard {
    stack: LockStack,
    mode: LockMode,
}

impl LockGuard {
    /// What this guard asked for; the stack may hold more.
    pub fn mode(&self) -> LockMode {
        self.mode
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        let mut state = self.stack.state();
        *state.count(self.mode) -= 1;
        match (state.wanted(), &mut state.lock) {
            (None, _) => state.lock = None,
            // To a weaker mode the kernel goes at once.
            (Some(mode), Some(lock)) if lock.mode() != mode => {
                let _ = lock.change(mode, Timeout::Now);
            }
            _ => {}
        }
    }
}
