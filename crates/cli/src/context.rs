//! What a verb is given besides its arguments.

use crate::personality::Personality;
use crate::printer::Printer;

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
}
