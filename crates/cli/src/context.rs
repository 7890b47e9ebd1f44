//! What a verb is given besides its arguments.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use ostler_store::progress::Sink;

use crate::grammar::LinkOptions;
use crate::personality::Personality;
use crate::printer::Printer;
use crate::progress::{FRAME, Meter, ProgressOptions};

/// The surroundings of one run.
pub(crate) struct Context {
    /// The name by which the program was called.
    pub(crate) personality: Personality,
    /// Where output goes.
    pub(crate) printer: Printer,
    /// What takes the events of long work instead of the meter.
    progress: RefCell<Option<Arc<dyn Sink>>>,
    /// The least time between two tellings of the progress, where the run was told.
    frame: Cell<Option<Duration>>,
    limit_rate: Cell<Option<u64>>,
}

impl Context {
    /// Returns surroundings that write to the process's stdout and stderr.
    pub(crate) fn new(personality: Personality) -> Self {
        Self {
            personality,
            printer: Printer::new(),
            progress: RefCell::new(None),
            frame: Cell::new(None),
            limit_rate: Cell::new(None),
        }
    }

    /// Shows the progress of this run as the options say.
    ///
    /// # Errors
    /// A descriptor that cannot be written to.
    pub(crate) fn show_progress(&self, options: &ProgressOptions) -> anyhow::Result<()> {
        let frame = self.frame();
        *self.progress.borrow_mut() = options.sink(self.printer.is_quiet(), frame)?;
        Ok(())
    }

    /// Tells the progress of this run with at least this time between two tellings; before [`Context::show_progress`].
    pub(crate) fn tell_every(&self, frame: Duration) {
        self.frame.set(Some(frame));
    }

    fn frame(&self) -> Duration {
        self.frame.get().unwrap_or(FRAME)
    }

    /// Downloads at the rate that the options name, if they do.
    pub(crate) fn use_link(&self, options: &LinkOptions) {
        self.limit_rate.set(options.limit_rate);
    }

    /// The most bytes that are downloaded in a second, if this run was told.
    pub(crate) fn limit_rate(&self) -> Option<u64> {
        self.limit_rate.get()
    }

    /// Returns a receiver for the events of long work; it draws only on a terminal and only if the work takes a while.
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        match &*self.progress.borrow() {
            Some(sink) => Arc::clone(sink),
            None => Meter::for_stderr(&self.printer, self.frame()),
        }
    }
}
