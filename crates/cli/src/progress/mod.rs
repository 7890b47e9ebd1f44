//! What long work says of itself, for a person or for a program.

mod lines;
mod meter;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ostler_store::progress::Sink;

use crate::report::usage;
use lines::Lines;
pub(crate) use lines::way_name;
pub(crate) use meter::Meter;

/// The least time between two tellings of the progress, where nothing else was asked for.
pub(crate) const FRAME: Duration = Duration::from_millis(100);

/// For whom progress is shown.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A person: one line on a terminal, nothing elsewhere.
    #[default]
    Auto,
    /// A program: a JSON object a line.
    Json,
    /// Nobody.
    None,
}

/// How progress is shown.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct ProgressOptions {
    /// Show progress as one line on a terminal (auto), as JSON lines on stderr (json), or not (none)
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        hide_possible_values = true,
        help_heading = "Progress"
    )]
    progress: Option<Audience>,
    /// Write JSON lines of the progress to this open descriptor, not to stderr
    #[arg(long, value_name = "N", help_heading = "Progress")]
    progress_fd: Option<i32>,
}

impl ProgressOptions {
    /// Returns what takes the events instead of the meter, if anything does; it tells the progress with at least `frame`
    /// between two tellings.
    ///
    /// # Errors
    /// A descriptor that is not open, or one that nobody would write to.
    pub(crate) fn sink(
        &self,
        quiet: bool,
        frame: Duration,
    ) -> anyhow::Result<Option<Arc<dyn Sink>>> {
        let out: Box<dyn Write + Send> = match (self.progress, self.progress_fd) {
            (Some(Audience::None | Audience::Auto), Some(_)) => {
                return Err(usage(
                    "--progress-fd writes JSON lines: leave --progress out",
                ));
            }
            (_, Some(number)) => {
                let file = ostler_fs::inherited(number)
                    .with_context(|| format!("--progress-fd={number}"))?;
                return Ok(Some(Arc::new(Lines::new(Box::new(file), !quiet, frame))));
            }
            (Some(Audience::Json), None) => Box::new(io::stderr()),
            (Some(Audience::None), None) => return Ok(Some(meter::notices(quiet))),
            (Some(Audience::Auto) | None, None) => return Ok(None),
        };
        Ok(Some(Arc::new(Lines::new(out, false, frame))))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
