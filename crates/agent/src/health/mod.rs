//! Checks of the running system, and what is run when they are done.
//!
//! ```text
//! /usr/lib/ostler/health/ /etc/ostler/health/          required.d  wanted.d  green.d  red.d   programs
//! /usr/lib/greenboot/     /etc/greenboot/         check/required.d  wanted.d  green.d  red.d   NAME.sh, by a shell
//! /usr/lib/ostler/health.toml /etc/ostler/health.toml  units, ports, URLs, commands
//! ```
//! A program or script passes if it ends with 0. What is in `required.d` must pass, what is in `wanted.d` should. All are run, in the order of the
//! table and of their names, also after one has failed, so that a report tells all; a program in `/etc` takes the place of the tree's of that name.
//! Where greenboot itself is installed its directories are left to it.

mod probe;
mod process;
mod scripts;

use std::path::Path;
use std::time::{Duration, Instant};

use ostler_deploy::health_file::{HealthFile, HealthFileError};
use ostler_deploy::health_report::{Checked, Report};
use ostler_fs::{Dir, FsError};

use scripts::Script;

/// A verdict that no check could be asked for.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// What must work.
    #[error("{0}")]
    HealthFile(#[from] HealthFileError),
}

/// What is run when the verdict is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// `green.d`: the system works.
    Green,
    /// `red.d`: it does not.
    Red,
}

/// How long checks may take, and whom they are told of.
pub struct Watch<'a> {
    /// When the last of them must be done.
    pub end: Instant,
    /// Is called after each.
    pub told: &'a mut dyn FnMut(&Checked),
}

/// Runs every check of the system at `root`, whose programs are started as they are named there: it is `/`, but in tests.
///
/// # Errors
/// [`HealthError`] if it is not known what to check.
pub fn check(root: &Path, watch: &mut Watch<'_>) -> Result<Report, HealthError> {
    let tree = Dir::open_ambient(root)?;
    let file = HealthFile::read(&tree)?;
    let mut disabled = file.disabled.clone();
    disabled.extend(scripts::disabled_by_greenboot(&tree)?);
    let mut checks = Vec::new();
    for script in scripts::checks(&tree)? {
        if !disabled.contains(&script.name) {
            checks.push(run(root, &script, watch));
        }
    }
    for wanted in &file.checks {
        let checked = probe::check(wanted, watch.end);
        (watch.told)(&checked);
        checks.push(checked);
    }
    Ok(Report { checks })
}

/// Runs what follows a verdict; what fails there is told and changes nothing.
///
/// # Errors
/// [`HealthError`] if the directories can't be read.
pub fn after(root: &Path, after: After, watch: &mut Watch<'_>) -> Result<(), HealthError> {
    for script in scripts::after(&Dir::open_ambient(root)?, after)? {
        run(root, &script, watch);
    }
    Ok(())
}

fn run(root: &Path, script: &Script, watch: &mut Watch<'_>) -> Checked {
    let words = script.command(root);
    let ended = process::run(&words, watch.end.saturating_duration_since(Instant::now()));
    let checked = ended.checked(script.path.clone(), script.required);
    (watch.told)(&checked);
    checked
}

/// The least time that checks get, whatever the clock says.
const LEAST: Duration = Duration::from_secs(10);

/// When checks must be done: at the deadline of a boot, or, if that has passed, as long after now.
#[must_use]
pub fn end(deadline: Duration, since_boot: Duration) -> Instant {
    let left = deadline.saturating_sub(since_boot);
    let left = if left.is_zero() { deadline } else { left };
    Instant::now() + left.max(LEAST)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct System(tempfile::TempDir);

    impl System {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn write(&self, path: &str, text: &str) -> &Self {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            self
        }

        fn check(&self) -> (Report, Vec<String>) {
            let mut told = Vec::new();
            let mut watch = Watch {
                end: Instant::now() + Duration::from_secs(20),
                told: &mut |checked: &Checked| {
                    let word = if checked.passed { "ok" } else { "bad" };
                    told.push(format!("{word} {}", checked.name));
                },
            };
            let report = check(self.0.path(), &mut watch).unwrap();
            (report, told)
        }
    }

    const FAILS: &str = "#!/bin/sh\necho why; echo >&2 so; exit 3\n";
    const PASSES: &str = "#!/bin/sh\ntrue\n";

    #[test]
    fn a_system_without_checks_works() {
        assert!(System::new().check().0.failure().is_none());
    }

    #[test]
    fn what_is_required_must_pass_and_what_is_wanted_should() {
        let system = System::new();
        system
            .write("usr/lib/ostler/health/wanted.d/10-w", FAILS)
            .write("usr/lib/ostler/health/required.d/20-r", PASSES)
            .write("etc/greenboot/check/required.d/a.sh", PASSES)
            .write("etc/greenboot/check/required.d/README", FAILS);
        let (report, told) = system.check();
        assert!(report.failure().is_none());
        assert_eq!(
            told,
            [
                "ok /usr/lib/ostler/health/required.d/20-r",
                "bad /usr/lib/ostler/health/wanted.d/10-w",
                "ok /etc/greenboot/check/required.d/a.sh",
            ]
        );
        system.write("usr/lib/greenboot/check/required.d/b.sh", FAILS);
        let (report, _) = system.check();
        let failed = report.failure().unwrap();
        assert_eq!(failed.name, "/usr/lib/greenboot/check/required.d/b.sh");
        assert_eq!(failed.reason.as_deref(), Some("exit code 3"));
        assert_eq!(failed.output, "why\nso\n");
    }

    #[test]
    fn the_administrator_replaces_and_disables_checks_of_the_tree() {
        let system = System::new();
        system
            .write("usr/lib/ostler/health/required.d/10-x", FAILS)
            .write("etc/ostler/health/required.d/10-x", PASSES)
            .write("usr/lib/ostler/health/required.d/20-y", FAILS)
            .write("etc/ostler/health.toml", "disabled = ['20-y']")
            .write("usr/lib/greenboot/check/required.d/00_repo.sh", FAILS)
            .write(
                "etc/greenboot/greenboot.conf",
                "# x\nDISABLED_HEALTHCHECKS=( \"00_repo.sh\" 'b.sh' )\n",
            );
        let (report, told) = system.check();
        assert!(report.failure().is_none(), "{told:?}");
        assert_eq!(told, ["ok /etc/ostler/health/required.d/10-x"]);
    }

    #[test]
    fn checks_of_greenboot_are_left_to_it_where_it_is_installed() {
        let system = System::new();
        system
            .write("etc/greenboot/check/required.d/a.sh", FAILS)
            .write("usr/lib/systemd/system/greenboot-healthcheck.service", "");
        assert_eq!(system.check().1, Vec::<String>::new());
    }

    #[test]
    fn a_check_that_does_not_end_is_ended() {
        let system = System::new();
        let sleeps = "#!/bin/sh\necho begun\nsleep 100\n";
        system.write("etc/ostler/health/required.d/s", sleeps);
        let started = Instant::now();
        let mut watch = Watch {
            end: started + Duration::from_millis(500),
            told: &mut |_| (),
        };
        let report = check(system.0.path(), &mut watch).unwrap();
        let failed = report.failure().unwrap();
        assert!(failed.reason.as_deref().unwrap().contains("did not end"));
        assert_eq!(failed.output, "begun\n");
    }

    /// A port that was free a moment ago.
    fn address_of_nobody() -> std::net::SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    }

    /// Answers every request with a text, and returns the URL.
    fn server(text: &'static str) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/healthz", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let _ = connection.read(&mut [0; 4096]);
                let length = text.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
                );
                let _ = connection.write_all(answer.as_bytes());
            }
        });
        url
    }

    #[test]
    fn a_url_must_be_answered_with_the_text_that_is_asked_for() {
        let (url, nobody) = (server("all is ok"), address_of_nobody());
        let system = System::new();
        system.write(
            "etc/ostler/health.toml",
            &format!(
                "[[http]]\nurl = '{url}'\ncontains = 'is ok'\n\
                 [[http]]\nurl = '{url}'\ncontains = 'green'\nwithin-seconds = 0\n\
                 [[http]]\nurl = 'http://{nobody}/'\nwithin-seconds = 0\n"
            ),
        );
        let (report, _) = system.check();
        let passed: Vec<bool> = report.checks.iter().map(|check| check.passed).collect();
        assert_eq!(passed, [true, false, false], "{report:?}");
        let reason = report.failure().unwrap().reason.as_deref().unwrap();
        assert_eq!(reason, "the answer does not contain `green`");
    }

    #[test]
    fn files_say_what_else_must_work() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let closed = address_of_nobody();
        let system = System::new();
        system.write(
            "etc/ostler/health.toml",
            &format!(
                "[[tcp]]\naddress = '{open}'\n[[tcp]]\naddress = '{closed}'\nwithin-seconds = 1\n\
                 [[command]]\nrun = ['/bin/sh', '-c', 'exit 1']\nrequired = false\nwithin-seconds = 0\n"
            ),
        );
        let (report, told) = system.check();
        assert_eq!(
            told,
            [
                format!("ok tcp {open}"),
                format!("bad tcp {closed}"),
                "bad /bin/sh -c exit 1".to_owned()
            ]
        );
        assert_eq!(report.failure().unwrap().name, format!("tcp {closed}"));
    }
}
