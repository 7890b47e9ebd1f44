//! A program that is given so much time, and whose last words are kept.

use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ostler_deploy::health_report::Checked;

/// The last bytes of output that are kept.
const MAX_OUTPUT: usize = 4096;
/// Between two looks at a program that runs.
const STEP: Duration = Duration::from_millis(50);
/// Output that comes after the end of a program is waited for this long: another one may hold the pipe.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How a program ended.
pub(super) struct Ended {
    pub(super) reason: Option<String>,
    pub(super) output: String,
    pub(super) seconds: u64,
}

impl Ended {
    /// A check by the name of the program.
    pub(super) fn checked(self, name: String, required: bool) -> Checked {
        Checked {
            name,
            required,
            passed: self.reason.is_none(),
            reason: self.reason,
            output: self.output,
            seconds: self.seconds,
        }
    }
}

/// Runs a program with its arguments, and ends it after `limit`.
pub(super) fn run(words: &[String], limit: Duration) -> Ended {
    let started = Instant::now();
    let kept = Kept::default();
    let reason = match start_and_wait(words, limit, &kept) {
        Ok(Some(status)) if status.success() => None,
        Ok(Some(status)) => Some(match status.code() {
            Some(code) => format!("exit code {code}"),
            None => status.to_string(),
        }),
        Ok(None) => Some(format!("it did not end within {} s", limit.as_secs())),
        Err(error) => Some(format!("it cannot be started: {error}")),
    };
    Ended {
        reason,
        output: kept.text(),
        seconds: started.elapsed().as_secs(),
    }
}

fn start_and_wait(
    words: &[String],
    limit: Duration,
    kept: &Kept,
) -> std::io::Result<Option<ExitStatus>> {
    let (program, arguments) = words
        .split_first()
        .ok_or(std::io::ErrorKind::InvalidInput)?;
    let (read, write) = std::io::pipe()?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(write.try_clone()?)
        .stderr(write);
    let mut child = command.spawn()?;
    // It holds the pipe's other end.
    drop(command);
    let keeper = kept.clone();
    let reader = thread::spawn(move || keeper.keep(read));
    let end = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            break None;
        }
        thread::sleep(STEP);
    };
    let end = Instant::now() + LAST_WORDS;
    while !reader.is_finished() && Instant::now() < end {
        thread::sleep(STEP);
    }
    Ok(status)
}

/// What was said last.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn keep(&self, mut from: impl Read) {
        let mut part = [0; 4096];
        while let Ok(count) = from.read(&mut part)
            && count > 0
        {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend_from_slice(&part[..count]);
            let before = kept.len().saturating_sub(MAX_OUTPUT);
            kept.drain(..before);
        }
    }

    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}
