//! Units of systemd that a booted deployment needs, made when systemd starts: `/var` of its stateroot, and this project's own, so that
//! nobody has to enable them.

use std::path::{Path, PathBuf};

use ostler_format::KernelArgs;
use ostler_fs::{Dir, Durability, Trusted};

use super::booted::is_booted;
use super::target::stateroot;
use super::{FirstRootError, MOUNT_VAR};

/// Units that are started, if they are installed, and by which target.
const UNITS: [(&str, &str); 7] = [
    ("ostree-remount.service", "local-fs.target.requires"),
    ("ostler-finalize-staged.path", "multi-user.target.wants"),
    ("ostler-boot-complete.service", "multi-user.target.wants"),
    ("ostler-health-watch.service", "sysinit.target.wants"),
    ("ostler-health.service", "multi-user.target.wants"),
    ("ostler-health.service", "boot-complete.target.requires"),
    ("ostler-health-good.service", "multi-user.target.wants"),
];
const UNIT_PLACES: [&str; 2] = ["usr/lib/systemd/system", "lib/systemd/system"];
const VAR_UNIT: &str = "var.mount";
const MAX_FSTAB_BYTES: u64 = 1 << 20;

/// The system that starts; [`Booting::new`] is the running one.
#[derive(Clone, Debug)]
pub struct Booting {
    /// Its root.
    pub root: PathBuf,
    /// Its `/run`.
    pub run: PathBuf,
    /// The kernel's command line.
    pub command_line: String,
}

impl Booting {
    /// The running system.
    #[must_use]
    pub fn new(command_line: String) -> Self {
        Self {
            root: PathBuf::from("/"),
            run: PathBuf::from("/run"),
            command_line,
        }
    }
}

/// Makes the units in `directory`, the one of normal priority that systemd gives to generators. Does nothing in a system that was not booted
/// from a deployment.
///
/// # Errors
/// [`FirstRootError`].
pub fn generate(booting: &Booting, directory: &Path) -> Result<(), FirstRootError> {
    let run = Dir::open_ambient(&booting.run)?;
    if !is_booted(&run)? {
        return Ok(());
    }
    let Some(stateroot) = stateroot(&KernelArgs::parse(&booting.command_line))? else {
        return Ok(());
    };
    let root = Dir::open_ambient(&booting.root)?;
    let units = Dir::open_ambient(directory)?;
    for (unit, target) in UNITS {
        if let Some(path) = installed(&root, unit)? {
            link(&units, &path, target, unit)?;
        }
    }
    if run.exists(Trusted(MOUNT_VAR))? || is_in_fstab(&root)? {
        return Ok(());
    }
    let text = var_unit(stateroot.as_str());
    units.write_atomic(VAR_UNIT, text, 0o644, Durability::Cached)?;
    link(&units, "../var.mount", "local-fs.target.requires", VAR_UNIT)
}

/// Returns the absolute path of an installed unit.
fn installed(root: &Dir, unit: &str) -> Result<Option<String>, FirstRootError> {
    for place in UNIT_PLACES {
        let path = format!("{place}/{unit}");
        let found = root.open_in_root_optional(Trusted(path.as_str()))?;
        if found.is_some() {
            return Ok(Some(format!("/{path}")));
        }
    }
    Ok(None)
}

fn link(units: &Dir, unit_path: &str, target: &str, unit: &str) -> Result<(), FirstRootError> {
    units.ensure_dir(target, 0o755)?;
    Ok(units.open_dir(target)?.replace_symlink(unit_path, unit)?)
}

/// Whether the administrator mounts `/var` from elsewhere.
fn is_in_fstab(root: &Dir) -> Result<bool, FirstRootError> {
    let text = root.read_in_root_optional(Trusted("etc/fstab"), MAX_FSTAB_BYTES)?;
    let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
    let is_var = |line: &str| {
        let mut fields = line.split_whitespace();
        let is_comment = fields.next().is_none_or(|field| field.starts_with('#'));
        let place = fields.next().unwrap_or_default();
        !is_comment
            && place.starts_with('/')
            && place.split('/').filter(|p| !p.is_empty()).eq(["var"])
    };
    Ok(text.lines().any(is_var))
}

/// The stateroot's directory at `/var`. With `systemd.volatile` systemd mounts an empty one itself.
fn var_unit(stateroot: &str) -> String {
    let escaped = stateroot.replace('%', "%%");
    format!(
        "# Made at boot by ostree-system-generator.\n\
         [Unit]\n\
         Description=State of the system, shared by its deployments\n\
         Documentation=man:ostler(1)\n\
         ConditionKernelCommandLine=!systemd.volatile\n\
         Before=local-fs.target\n\
         \n\
         [Mount]\n\
         Where=/var\n\
         What=/sysroot/ostree/deploy/{escaped}/var\n\
         Options=bind,slave,shared\n"
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const COMMIT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    struct Ground {
        temp: tempfile::TempDir,
        booting: Booting,
    }

    impl Ground {
        fn new() -> Self {
            let temp = tempfile::tempdir().unwrap();
            for dir in ["usr/lib/systemd/system", "etc", "run/ostree", "units"] {
                fs::create_dir_all(temp.path().join(dir)).unwrap();
            }
            fs::write(temp.path().join("run/ostree-booted"), "").unwrap();
            let booting = Booting {
                root: temp.path().to_owned(),
                run: temp.path().join("run"),
                command_line: format!("quiet ostree=/ostree/boot.0/os/{COMMIT}/0"),
            };
            Self { temp, booting }
        }

        fn generate(&self) -> Vec<String> {
            let units = self.temp.path().join("units");
            generate(&self.booting, &units).unwrap();
            let mut found: Vec<String> = walkdir::WalkDir::new(&units)
                .into_iter()
                .map(|entry| entry.unwrap())
                .filter(|entry| !entry.file_type().is_dir())
                .map(|entry| {
                    let path = entry.path().strip_prefix(&units).unwrap();
                    path.display().to_string()
                })
                .collect();
            found.sort();
            found
        }
    }

    #[test]
    fn var_is_that_of_the_stateroot_and_installed_units_are_started() {
        let ground = Ground::new();
        let system = ground.temp.path().join("usr/lib/systemd/system");
        fs::write(system.join("ostree-remount.service"), "").unwrap();
        fs::write(system.join("ostler-finalize-staged.path"), "").unwrap();
        let expected = [
            "local-fs.target.requires/ostree-remount.service",
            "local-fs.target.requires/var.mount",
            "multi-user.target.wants/ostler-finalize-staged.path",
            "var.mount",
        ];
        assert_eq!(ground.generate(), expected);
        let unit = fs::read_to_string(ground.temp.path().join("units/var.mount")).unwrap();
        assert!(
            unit.contains("What=/sysroot/ostree/deploy/os/var\n"),
            "{unit}"
        );
    }

    #[test]
    fn a_var_of_the_administrator_or_of_the_first_root_is_left_alone() {
        let ground = Ground::new();
        let fstab = ground.temp.path().join("etc/fstab");
        fs::write(
            &fstab,
            "# /dev/vdb /var ext4\n/dev/vdb //var/ ext4 defaults 0 0\n",
        )
        .unwrap();
        assert_eq!(ground.generate(), Vec::<String>::new());
        fs::write(
            &fstab,
            "# /dev/vdb /var ext4\n/dev/vdb /var/lib ext4 defaults 0 0\n",
        )
        .unwrap();
        let mark = ground.booting.run.join("ostree/initramfs-mount-var");
        fs::write(&mark, "").unwrap();
        assert_eq!(ground.generate(), Vec::<String>::new());
        fs::remove_file(mark).unwrap();
        assert_eq!(ground.generate().len(), 2);
    }

    #[test]
    fn a_system_that_is_no_deployment_is_left_alone() {
        let mut ground = Ground::new();
        ground.booting.command_line = "quiet".to_owned();
        assert_eq!(ground.generate(), Vec::<String>::new());
        fs::remove_file(ground.booting.run.join("ostree-booted")).unwrap();
        ground.booting.command_line = "ostree=nonsense".to_owned();
        assert_eq!(ground.generate(), Vec::<String>::new());
    }
}
