//! What was deployed and booted on this system, kept beside the deployments after they are gone.
//!
//! `/ostree/history` has an event a line, as JSON, the oldest first; it is replaced whole, so that it is never half written. A boot is noted by the
//! unit that runs `ostler admin boot-complete`; where libostree's unit is in its place, by the next deployment that is made. It is there for people
//! and for nothing else: a history that cannot be read or written never stops a change.

use std::time::{SystemTime, UNIX_EPOCH};

use ostler_fs::{Durability, Trusted};
use serde::{Deserialize, Serialize};

use crate::deployment::Deployment;
use crate::layout;
use crate::lock::SysrootLock;
use crate::lock_owner;
use crate::sysroot::Sysroot;

/// Events that are kept.
const MAX_EVENTS: usize = 500;
/// The most that is read.
const MAX_BYTES: u64 = 1 << 20;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
enum Event {
    /// A deployment was made.
    Deployed(Made),
    /// The system runs from a deployment.
    Booted(Boot),
}

/// A deployment that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Made {
    /// When, in seconds since 1970-01-01 UTC.
    pub time: u64,
    /// Its stateroot.
    pub stateroot: String,
    /// Its name, `<commit>.<serial>`.
    pub deployment: String,
    /// What it follows.
    pub origin: Option<String>,
    /// The version of its commit.
    pub version: Option<String>,
    /// By which command.
    pub command: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Boot {
    time: u64,
    stateroot: String,
    deployment: String,
    boot: String,
}

/// A deployment in the history of a system, with the boots of it that followed each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// Its stateroot.
    pub stateroot: String,
    /// Its name, `<commit>.<serial>`.
    pub deployment: String,
    /// How it was made; `None` if that was before the history or by another program.
    pub made: Option<Made>,
    /// How often it was booted in a row.
    pub boot_count: u32,
    /// When first; `None` if it never was.
    pub first_boot: Option<u64>,
    /// When last.
    pub last_boot: Option<u64>,
}

impl Entry {
    /// Returns its commit.
    #[must_use]
    pub fn commit(&self) -> &str {
        let name = self.deployment.split_once('.');
        name.map_or(&self.deployment, |(commit, _)| commit)
    }
}

/// Returns the history of a system, the newest first.
#[must_use]
pub fn history(sysroot: &Sysroot) -> Vec<Entry> {
    entries(&read(sysroot))
}

/// Notes that a deployment was made.
pub(crate) fn note_deployed(lock: &SysrootLock, deployment: &Deployment) {
    let commit = lock.repo.read_commit(deployment.id.commit).ok();
    let version = commit.and_then(|commit| commit.metadata.get_str("version").map(str::to_owned));
    let made = Event::Deployed(Made {
        time: now(),
        stateroot: deployment.id.stateroot.to_string(),
        deployment: deployment.id.name(),
        origin: deployment.refspec().ok().flatten(),
        version,
        command: lock_owner::command_line(),
    });
    add(lock, this_boot(lock).into_iter().chain([made]));
}

/// Notes from which deployment the system runs.
pub fn note_boot(lock: &SysrootLock) {
    add(lock, this_boot(lock));
}

fn this_boot(lock: &SysrootLock) -> Option<Event> {
    let booted = lock.booted()?;
    Some(Event::Booted(Boot {
        time: now(),
        stateroot: booted.id.stateroot.to_string(),
        deployment: booted.id.name(),
        boot: lock.host.boot_id.clone(),
    }))
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}

/// Lines that are no event, of a later version perhaps, are left out.
fn read(sysroot: &Sysroot) -> Vec<Event> {
    let text = sysroot
        .ostree
        .read_optional(Trusted(layout::HISTORY), MAX_BYTES);
    let text = text.ok().flatten().unwrap_or_default();
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect()
}

fn add(lock: &SysrootLock, new: impl IntoIterator<Item = Event>) {
    let mut events = read(lock);
    let before = events.len();
    for event in new {
        let known = match &event {
            Event::Booted(boot) => events
                .iter()
                .any(|other| matches!(other, Event::Booted(other) if other.boot == boot.boot)),
            Event::Deployed(_) => false,
        };
        if !known {
            events.push(event);
        }
    }
    if events.len() == before {
        return;
    }
    let kept = events.len().saturating_sub(MAX_EVENTS);
    let mut text = Vec::new();
    for event in &events[kept..] {
        serde_json::to_writer(&mut text, event).expect("an event has text keys alone");
        text.push(b'\n');
    }
    // What was asked for is done; a full disk must not make it an error.
    let _ = lock
        .ostree
        .write_atomic(Trusted(layout::HISTORY), text, 0o644, Durability::Cached);
}

fn entries(events: &[Event]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut last_booted: Option<usize> = None;
    for event in events {
        match event {
            Event::Deployed(made) => entries.push(Entry {
                stateroot: made.stateroot.clone(),
                deployment: made.deployment.clone(),
                made: Some(made.clone()),
                boot_count: 0,
                first_boot: None,
                last_boot: None,
            }),
            Event::Booted(boot) => {
                let is_it = |entry: &Entry| {
                    entry.deployment == boot.deployment && entry.stateroot == boot.stateroot
                };
                let again = last_booted.filter(|index| is_it(&entries[*index]));
                let never = entries
                    .iter()
                    .rposition(|entry| is_it(entry) && entry.first_boot.is_none());
                let index = again.or(never).unwrap_or_else(|| {
                    let known = entries.iter().rfind(|entry| is_it(entry));
                    let made = known.and_then(|entry| entry.made.clone());
                    entries.push(Entry {
                        stateroot: boot.stateroot.clone(),
                        deployment: boot.deployment.clone(),
                        made,
                        boot_count: 0,
                        first_boot: None,
                        last_boot: None,
                    });
                    entries.len() - 1
                });
                let entry = &mut entries[index];
                entry.boot_count += 1;
                entry.first_boot.get_or_insert(boot.time);
                entry.last_boot = Some(boot.time);
                last_booted = Some(index);
            }
        }
    }
    // By the last thing that is known of each.
    entries.sort_by_key(|entry| {
        entry
            .last_boot
            .max(entry.made.as_ref().map(|made| made.time))
    });
    entries.reverse();
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(time: u64, name: &str) -> Event {
        Event::Deployed(Made {
            time,
            stateroot: "os".to_owned(),
            deployment: name.to_owned(),
            origin: None,
            version: None,
            command: format!("make {name}"),
        })
    }

    fn boot(time: u64, name: &str) -> Event {
        Event::Booted(Boot {
            time,
            stateroot: "os".to_owned(),
            deployment: name.to_owned(),
            boot: time.to_string(),
        })
    }

    #[test]
    fn boots_in_a_row_are_one_entry_and_a_return_is_another() {
        let events = [
            boot(1, "a"),
            made(2, "b"),
            boot(3, "b"),
            boot(4, "b"),
            made(5, "c"),
            boot(6, "a"),
            boot(7, "b"),
        ];
        let shown: Vec<String> = entries(&events)
            .iter()
            .map(|entry| {
                let (first, last) = (entry.first_boot, entry.last_boot);
                let made = entry.made.as_ref().map(|made| made.time);
                format!(
                    "{} {made:?} {} {first:?} {last:?}",
                    entry.deployment, entry.boot_count
                )
            })
            .collect();
        let expected = [
            "b Some(2) 1 Some(7) Some(7)",
            "a None 1 Some(6) Some(6)",
            "c Some(5) 0 None None",
            "b Some(2) 2 Some(3) Some(4)",
            "a None 1 Some(1) Some(1)",
        ];
        assert_eq!(shown, expected);
    }
}
