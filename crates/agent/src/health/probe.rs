//! Units, ports, URLs and commands of a health file, tried again until they pass or their time is over.

use std::thread;
use std::time::{Duration, Instant};

use ostler_deploy::health_file::{Check, Probe};
use ostler_deploy::health_report::Checked;
use ostler_http::probe;

use super::process::{self, Ended};

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// One try of a port or URL takes this long at most.
const ONE_TRY: Duration = Duration::from_secs(10);

/// Tries a check until it passes, its own time is over, or `end` is there.
pub(super) fn check(wanted: &Check, end: Instant) -> Checked {
    let started = Instant::now();
    let end = end.min(started + Duration::from_secs(wanted.within_seconds));
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let mut ended = once(&wanted.probe, left);
        if ended.reason.is_none() || Instant::now() + PAUSE >= end {
            ended.seconds = started.elapsed().as_secs();
            return ended.checked(wanted.name(), wanted.required);
        }
        thread::sleep(PAUSE);
    }
}

fn once(wanted: &Probe, left: Duration) -> Ended {
    // Also what has no time left is looked at once.
    let limit = left.clamp(Duration::from_secs(1), ONE_TRY);
    match wanted {
        Probe::Unit(unit) => unit_is_active(unit, limit),
        Probe::Tcp(address) => said(probe::connects(address, limit)),
        Probe::Http { url, contains } => said(probe::answers(url, contains.as_deref(), limit)),
        Probe::Command(words) => process::run(words, left.max(Duration::from_secs(1))),
    }
}

fn unit_is_active(unit: &str, limit: Duration) -> Ended {
    let words = ["systemctl", "is-active", unit].map(str::to_owned);
    let ended = process::run(&words, limit);
    let state = ended.output.trim().to_owned();
    let reason = ended.reason.map(|reason| match state.is_empty() {
        true => reason,
        false => format!("it is {state}"),
    });
    Ended {
        reason,
        output: String::new(),
        seconds: 0,
    }
}

fn said(result: Result<(), String>) -> Ended {
    Ended {
        reason: result.err(),
        output: String::new(),
        seconds: 0,
    }
}
