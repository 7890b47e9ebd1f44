//! Counts the boot of a deployment on trial, and turns to the one to go back to when its tries are used up.
//!
//! A state that cannot be read or written never stops a boot: the deployment that was asked for is booted then, and the earliest unit of the
//! system counts, if it can.

use std::io::Write as _;

use ostler_fs::mount::{self, Writable};
use ostler_fs::{Access, Dir, Durability, FsError, Trusted};

use super::prepare::Host;
use super::target::Target;
use crate::trial::{Booting, MAX_TRIALS_BYTES, Standing, TRIALS, TrialId, Trials, TrialsError};

/// Seconds after which a kernel that panics in a trial starts the machine again. A kernel waits for ever unless it was told otherwise.
const PANIC_SECONDS: &[u8] = b"10";
/// Within `/proc/sys/kernel`.
const PANIC: &str = "panic";

/// Within `/run`: says that the boot of a trial was counted.
const COUNTED: &str = "ostree/trial";

/// What counting said.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// The deployment that is booted in place of the chosen one.
    pub(super) instead: Option<Target>,
    /// A line for the console.
    pub(super) told: Option<String>,
}

#[derive(Debug, thiserror::Error)]
enum CountError {
    #[error("{0}")]
    Fs(#[from] FsError),
    #[error("{0}")]
    Trials(#[from] TrialsError),
}

/// Counts the boot of `chosen`.
pub(super) fn count(host: &Host, root: &Dir, chosen: &Target) -> Counted {
    try_to_count(host, root, chosen).unwrap_or_else(|error| Counted {
        instead: None,
        told: Some(format!("the trial is not counted: {error}")),
    })
}

fn try_to_count(host: &Host, root: &Dir, chosen: &Target) -> Result<Counted, CountError> {
    let Some(ostree) = root.open_dir_beneath_optional("ostree")? else {
        return Ok(Counted::default());
    };
    let Some(text) = ostree.read_optional(TRIALS, MAX_TRIALS_BYTES)? else {
        return Ok(Counted::default());
    };
    let before = Trials::parse(&text)?;
    let id = TrialId {
        stateroot: chosen.stateroot.clone(),
        name: chosen.name.clone(),
    };
    let mut trials = before.clone();
    let exists = |id: &TrialId| {
        let place = Trusted(target(id).path());
        root.open_dir_beneath_optional(place)
            .is_ok_and(|found| found.is_some())
    };
    let booting = trials.boots(&id, &mount::boot_id()?, exists);
    if trials != before {
        write(host, root, &ostree, &trials)?;
    }
    if let Some(Standing::Trial { .. }) = trials.standing(&id) {
        // Where it can't be set the kernel's own setting stays; without the word in /run the system looks at the state alone.
        let _ = restart_after_panic();
        let _ = leave_word(host, &id);
    }
    Ok(told(&trials, &id, booting))
}

fn told(trials: &Trials, id: &TrialId, booting: Booting) -> Counted {
    let why = trials.record(id).and_then(|record| record.why.clone());
    let why = why.unwrap_or_default().replace('\n', " ");
    let name = &id.name;
    match (booting, trials.standing(id)) {
        (Booting::Instead(other), _) => Counted {
            instead: Some(target(&other)),
            told: Some(format!(
                "{name} has failed its trial ({why}); going back to {}",
                other.name
            )),
        },
        (Booting::Itself, Some(Standing::Trial { left })) => Counted {
            instead: None,
            told: Some(format!("{name} is on trial, with {left} more tries")),
        },
        (Booting::Itself, _) => Counted::default(),
    }
}

fn target(id: &TrialId) -> Target {
    Target {
        stateroot: id.stateroot.clone(),
        name: id.name.clone(),
    }
}

/// Writes the state, to a file system that the kernel may have mounted for reading only until the system has checked it.
fn write(host: &Host, root: &Dir, ostree: &Dir, trials: &Trials) -> Result<(), FsError> {
    let is_read_only = root.is_read_only()?;
    if is_read_only {
        mount::remount(&host.root, Writable::Yes)?;
    }
    let written = ostree.write_atomic(TRIALS, trials.to_bytes(), 0o644, Durability::Synced);
    if is_read_only {
        mount::remount(&host.root, Writable::No)?;
    }
    written
}

/// Says in `/run` that the boot was counted.
fn leave_word(host: &Host, id: &TrialId) -> Result<(), FsError> {
    let run = Dir::open_ambient(&host.run)?;
    run.ensure_dir("ostree", 0o755)?;
    let text = format!("{id}\n");
    run.write_atomic(Trusted(COUNTED), text, 0o644, Durability::Cached)
}

/// Leaves a setting of the kernel's command line as it is.
fn restart_after_panic() -> Result<(), FsError> {
    let kernel = Dir::open_ambient("/proc/sys/kernel")?;
    if kernel.read(PANIC, 64)?.trim_ascii() != b"0" {
        return Ok(());
    }
    let mut file = kernel.open_file(PANIC, Access::Write)?;
    file.write_all(PANIC_SECONDS)
        .map_err(|error| FsError::new("write", kernel.shown_path().join(PANIC), error))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    const OLD: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.0";
    const NEW: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.0";

    struct Ground {
        temp: tempfile::TempDir,
        host: Host,
    }

    impl Ground {
        fn new(trials: &str) -> Self {
            let temp = tempfile::tempdir().unwrap();
            for name in [OLD, NEW] {
                let deployment = format!("ostree/deploy/os/deploy/{name}");
                fs::create_dir_all(temp.path().join(deployment)).unwrap();
            }
            fs::write(temp.path().join("ostree/trials"), trials).unwrap();
            let run = temp.path().join("run");
            fs::create_dir(&run).unwrap();
            let mut host = Host::new(temp.path().to_owned(), String::new());
            host.run = run;
            Self { temp, host }
        }

        fn count(&self) -> Counted {
            let root = Dir::open_ambient(self.temp.path()).unwrap();
            count(&self.host, &root, &target(&id(NEW)))
        }

        fn trials(&self) -> String {
            fs::read_to_string(self.path()).unwrap()
        }

        fn path(&self) -> PathBuf {
            self.temp.path().join("ostree/trials")
        }
    }

    fn id(name: &str) -> TrialId {
        TrialId {
            stateroot: "os".parse().unwrap(),
            name: ostler_format::DeploymentName::parse(name).unwrap(),
        }
    }

    fn on_trial(left: u32) -> String {
        format!(
            "[deployment os/{NEW}]\nstate=trial\nleft={left}\ntries=3\nboots=1\nfallback=os/{OLD}\n"
        )
    }

    #[test]
    fn a_boot_takes_one_try_however_often_it_is_counted() {
        let ground = Ground::new(&on_trial(2));
        for _ in 0..2 {
            let counted = ground.count();
            assert_eq!(counted.instead, None);
            assert!(counted.told.unwrap().ends_with("with 1 more tries"));
            assert!(ground.trials().contains("left=1\n"), "{}", ground.trials());
            let word = fs::read_to_string(ground.temp.path().join("run/ostree/trial")).unwrap();
            assert_eq!(word, format!("os/{NEW}\n"));
        }
    }

    #[test]
    fn without_tries_the_one_to_go_back_to_is_booted_until_the_rollback_is_done() {
        let ground = Ground::new(&on_trial(0));
        for _ in 0..2 {
            let counted = ground.count();
            assert_eq!(counted.instead, Some(target(&id(OLD))));
            assert!(ground.trials().contains("state=failed\n"));
        }
        fs::remove_dir(
            ground
                .temp
                .path()
                .join(format!("ostree/deploy/os/deploy/{OLD}")),
        )
        .unwrap();
        assert_eq!(
            ground.count().instead,
            None,
            "there is nothing else to boot"
        );
    }

    #[test]
    fn a_state_that_cannot_be_read_stops_no_boot() {
        let ground = Ground::new("nonsense");
        let counted = ground.count();
        assert_eq!(counted.instead, None);
        assert!(counted.told.unwrap().contains("not counted"));
        fs::remove_file(ground.path()).unwrap();
        assert!(ground.count().told.is_none());
    }
}
