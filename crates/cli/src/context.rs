//! What a verb is given besides its arguments.

use std::sync::Arc;
use std::time::Duration;

use ostler_store::progress::Sink;

use crate::personality::Personality;
use crate::printer::Printer;
use crate::progress::Meter;

/// The surroundings of one run.
pub(crate) struct Context {
    /// The name by which the program was called.
    pub(crate) personality: Personality,
    /// Where output goes.
    pub(crate) printer: Printer,
}

impl Context {
    /// Returns surroundings that write to the process's stdout and stderr.
    pub(crate) fn new(personality: Personality) -> Self {
        Self {
            personality,
            printer: Printer::new(),
        }
    }

    /// Returns a receiver for the events of long work; it draws only on a terminal and only if the work takes a while.
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        Meter::for_stderr(&self.printer)
    }

    /// As [`Context::sink`], with at least this time between two drawings.
    pub(crate) fn sink_every(&self, frame: Duration) -> Arc<dyn Sink> {
        Meter::for_stderr_every(&self.printer, frame)
    }
}
