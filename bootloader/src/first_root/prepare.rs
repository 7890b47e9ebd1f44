//! The mounts, in order.

use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use ostler_format::{KernelArgs, KeyFile};
use ostler_fs::mount::{self, Propagation, Writable};
use ostler_fs::{Dir, FileType, FsError, Trusted};

use super::booted::{Booted, Sealed};
use super::composefs::{Wish, mount_image};
use super::config::{Composefs, Config, RootLayer};
use super::signature::signed_digest;
use super::target::Target;
use super::trial;
use super::{FirstRootError, MOUNT_VAR};

const REPO: &str = "ostree/repo";
const MAX_REPO_CONFIG_BYTES: u64 = 1 << 20;
/// Within a deployment: who mounts `/var` later.
const GENERATORS: [&str; 2] = [
    "usr/lib/systemd/system-generators/ostree-system-generator",
    "lib/systemd/system-generators/ostree-system-generator",
];
/// Within a deployment: the layer over `/usr` of `admin unlock --hotfix`.
const HOTFIX_UPPER: &str = ".usr-ovl-upper";
const HOTFIX_WORK: &str = ".usr-ovl-work";

/// What prepares the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// A program of an initramfs; another one makes the prepared root the system's.
    Initramfs,
    /// The first program of a system without an initramfs, whose root is the physical one.
    First,
}

/// The system before its root is changed; [`Host::new`] is the running one.
#[derive(Clone, Debug)]
pub struct Host {
    /// Where the physical root is mounted.
    pub root: PathBuf,
    /// The kernel's command line.
    pub command_line: String,
    /// The root of the program's own files, with `prepare-root.conf`.
    pub initramfs: PathBuf,
    /// A file system in memory that the booted system takes over.
    pub run: PathBuf,
    /// A directory that is made, and removed, to put the root together in. Not used by the first program of a system.
    pub scratch: PathBuf,
}

impl Host {
    /// The running system, with the physical root at `root`.
    #[must_use]
    pub fn new(root: PathBuf, command_line: String) -> Self {
        Self {
            root,
            command_line,
            initramfs: PathBuf::from("/"),
            run: PathBuf::from("/run"),
            scratch: PathBuf::from("/sysroot.tmp"),
        }
    }
}

/// What was prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The deployment's directory, relative to the physical root.
    pub deployment: String,
    /// How its files are reached, for a person.
    pub how: &'static str,
    /// Whether the physical root is for reading only now.
    pub sysroot_readonly: bool,
    /// What became of a trial, for a person, if there is one.
    pub trial: Option<String>,
}

/// Puts the deployment that the kernel's command line names in the place of the physical root, and the physical root in its `/sysroot`.
///
/// # Errors
/// [`FirstRootError`]; the system must not go on then.
pub fn prepare(host: &Host, init: Init) -> Result<Prepared, FirstRootError> {
    let kargs = KernelArgs::parse(&host.command_line);
    let initramfs = Dir::open_ambient(&host.initramfs)?;
    let config = Config::read(&initramfs, &kargs)?;
    let root = Dir::open_ambient(&host.root)?;
    let chosen = Target::resolve(&root, &kargs)?;
    let trial = trial::count(host, &root, &chosen);
    let target = trial.instead.as_ref().unwrap_or(&chosen).clone();
    let work = Work::new(host, init, &config, &root, &target)?;
    // A shared mount cannot be moved.
    mount::set_propagation("/", Propagation::Private)?;
    let mut booted = Booted {
        backing_root: work.deployment.self_metadata()?.dev_ino(),
        sysroot_readonly: config.is_sysroot_readonly(|| is_repository_readonly(&root))?,
        ..Booted::default()
    };
    work.mount_root(&initramfs, &mut booted)?;
    work.mount_boot()?;
    work.mount_etc(&mut booted)?;
    work.mount_usr(&booted)?;
    if target != chosen {
        work.mount_modules(&chosen);
    }
    work.mount_var(&booted)?;
    booted.write(&work.run)?;
    work.change_root(&booted)?;
    Ok(Prepared {
        deployment: target.path(),
        how: match (booted.composefs, &booted.signed_by) {
            (None, _) => "its directory",
            (Some(Sealed::No), _) => "its composefs image",
            (Some(Sealed::Yes), None) => "its composefs image, every file sealed",
            (Some(Sealed::Yes), Some(_)) => "its signed composefs image, every file sealed",
        },
        sysroot_readonly: booted.sysroot_readonly,
        trial: trial.told,
    })
}

/// Asks the repository's config, the older place of the setting.
fn is_repository_readonly(root: &Dir) -> Result<bool, FirstRootError> {
    let path = "ostree/repo/config";
    let Some(bytes) = root.read_optional(Trusted(path), MAX_REPO_CONFIG_BYTES)? else {
        return Ok(false);
    };
    let read = || KeyFile::parse(&bytes)?.boolean("sysroot", "readonly");
    let readonly = read().map_err(|cause| FirstRootError::Syntax { path, cause })?;
    Ok(readonly == Some(true))
}

struct Work<'a> {
    host: &'a Host,
    init: Init,
    config: &'a Config,
    root: &'a Dir,
    target: &'a Target,
    deployment: Dir,
    var: Dir,
    run: Dir,
    private: Dir,
    private_path: PathBuf,
    /// Where the new root is put together.
    new: PathBuf,
}

impl<'a> Work<'a> {
    fn new(
        host: &'a Host,
        init: Init,
        config: &'a Config,
        root: &'a Dir,
        target: &'a Target,
    ) -> Result<Self, FirstRootError> {
        let deployment = root.open_dir_beneath(Trusted(target.path().as_str()))?;
        let var = root.open_dir_beneath(Trusted(target.var().as_str()))?;
        let run = Dir::open_ambient(&host.run)?;
        run.ensure_dir("ostree", 0o755)?;
        let own = run.open_dir("ostree")?;
        own.ensure_dir(".private", 0o700)?;
        let new = match init {
            Init::Initramfs => host.scratch.clone(),
            Init::First => host.root.join(target.path()),
        };
        Ok(Self {
            private: own.open_dir(".private")?,
            private_path: host.run.join("ostree/.private"),
            host,
            init,
            config,
            root,
            target,
            deployment,
            var,
            run,
            new,
        })
    }

    fn mount_root(&self, initramfs: &Dir, booted: &mut Booted) -> Result<(), FirstRootError> {
        if self.init == Init::Initramfs {
            let slash = Dir::open_ambient("/")?;
            slash.ensure_dir(Trusted(relative(&self.new)), 0o755)?;
        }
        if self.config.composefs != Composefs::No && self.mount_composefs(initramfs, booted)? {
            let is_layered = self.config.root_layer != RootLayer::None;
            booted.transient_root = is_layered;
            booted.transient_root_readonly = self.config.root_layer == RootLayer::TransientReadOnly;
            if booted.transient_root_readonly {
                mount::remount(&self.new, Writable::No)?;
            }
            return Ok(());
        }
        match self.config.composefs {
            Composefs::No | Composefs::Maybe => {}
            _ => {
                let image = self.deployment.shown_path().join(".ostree.cfs");
                return Err(FirstRootError::NoImage(image));
            }
        }
        if self.config.root_layer != RootLayer::None {
            let reason = "a transient root needs composefs: set composefs.enabled, too";
            return Err(FirstRootError::Settings(reason));
        }
        Ok(mount::bind(through(&self.deployment), &self.new)?)
    }

    fn mount_composefs(
        &self,
        initramfs: &Dir,
        booted: &mut Booted,
    ) -> Result<bool, FirstRootError> {
        let objects = self.root.open_dir_beneath(Trusted("ostree/repo/objects"))?;
        let digest = match self.config.composefs {
            Composefs::Signed => {
                let keys = self.config.keys.as_str();
                let commit = self.target.name.commit;
                booted.signed_by = Some(keys.to_owned());
                Some(signed_digest(initramfs, keys, &objects, commit)?)
            }
            _ => None,
        };
        let sealed = match self.config.composefs.requires_verity() {
            true => Sealed::Yes,
            false => Sealed::No,
        };
        let is_mounted = mount_image(
            &Wish {
                deployment: &self.deployment,
                objects: &self.host.root.join(REPO).join("objects"),
                private: &self.private,
                private_path: &self.private_path,
                root_layer: self.config.root_layer,
                sealed,
                digest,
            },
            &self.new,
        )?;
        booted.composefs = is_mounted.then_some(sealed);
        Ok(is_mounted)
    }

    /// Shows the physical root's `/boot`, unless it is for a file system of its own, which is mounted later.
    fn mount_boot(&self) -> Result<(), FsError> {
        let Some(boot) = self.root.open_dir_optional("boot")? else {
            return Ok(());
        };
        let loader = boot.metadata_optional("loader")?;
        let is_used = loader.is_some_and(|loader| loader.file_type == FileType::Symlink);
        if is_used && self.has_dir("boot")? {
            mount::bind(through(&boot), self.new.join("boot"))?;
        }
        Ok(())
    }

    fn mount_etc(&self, booted: &mut Booted) -> Result<(), FirstRootError> {
        let place = self.new.join("etc");
        if self.config.transient_etc {
            let own = self.run.open_dir("ostree")?;
            // After a soft reboot there is one of the root before, too.
            let name = format!("transient-etc.{}", std::process::id());
            own.create_dir(name.as_str(), 0o700)?;
            let layer = own.open_dir(name.as_str())?;
            layer.create_dir("upper", 0o755)?;
            layer.create_dir("work", 0o755)?;
            let layer = self.host.run.join("ostree").join(&name);
            let options = format!(
                "lowerdir={},upperdir={},workdir={}",
                self.new.join("usr/etc").display(),
                layer.join("upper").display(),
                layer.join("work").display(),
            );
            mount::mount("overlay", "overlay", &place, &options)?;
            booted.transient_etc = Some(layer.display().to_string());
        } else if booted.sysroot_readonly || booted.composefs.is_some() {
            mount::bind(through(&self.deployment.open_dir("etc")?), &place)?;
            make_writable(&place, self.is_root_writable()?)?;
        }
        Ok(())
    }

    fn mount_usr(&self, booted: &Booted) -> Result<(), FsError> {
        let place = self.new.join("usr");
        // What a signature covers is not covered by a layer that none covers.
        if booted.signed_by.is_none() && self.deployment.exists(HOTFIX_WORK)? {
            let own = through(&self.deployment);
            let options = format!(
                "lowerdir={},upperdir={},workdir={}",
                place.display(),
                own.join(HOTFIX_UPPER).display(),
                own.join(HOTFIX_WORK).display(),
            );
            return match self.is_root_writable()? {
                true => mount::mount("overlay", "overlay", &place, &options),
                false => mount::mount_read_only("overlay", "overlay", &place, &options),
            };
        }
        if booted.composefs.is_none() {
            mount::bind(&place, &place)?;
            mount::remount(&place, Writable::No)?;
        }
        Ok(())
    }

    /// Shows the modules of the kernel that runs, which are another deployment's. Without them the system comes up with less, and the rollback
    /// may do without.
    fn mount_modules(&self, of_kernel: &Target) {
        let modules = |root: &Dir| root.open_dir_beneath(Trusted("usr/lib/modules"));
        let other = self.root.open_dir_beneath(Trusted(of_kernel.path()));
        if let Ok(other) = other.and_then(|other| modules(&other)) {
            let place = self.new.join("usr/lib/modules");
            let _ = mount::bind(through(&other), &place)
                .and_then(|()| mount::remount(&place, Writable::No));
        }
    }

    fn mount_var(&self, booted: &Booted) -> Result<(), FsError> {
        if booted.sysroot_readonly {
            // Writable in the physical root, too, where everything else is not: who mounts /var later takes it from there.
            let place = self.host.root.join(self.target.var());
            mount::bind(through(&self.var), &place)?;
            make_writable(&place, self.is_root_writable()?)?;
        }
        let is_asked_for = self.run.exists(Trusted(MOUNT_VAR))?;
        if is_asked_for || !self.is_var_mounted_later()? {
            let place = self.new.join("var");
            mount::bind(self.host.root.join(self.target.var()), &place)?;
            // What is mounted in /var must not appear in the stateroot's directory, too.
            mount::set_propagation(&place, Propagation::SlaveAndShared)?;
        }
        Ok(())
    }

    fn is_var_mounted_later(&self) -> Result<bool, FsError> {
        for path in GENERATORS {
            let found = self.deployment.open_in_root_optional(Trusted(path))?;
            if found.is_some() {
                return Ok(self.init == Init::Initramfs);
            }
        }
        Ok(false)
    }

    fn change_root(&self, booted: &Booted) -> Result<(), FsError> {
        let new = &self.new;
        let sysroot = match self.init {
            Init::Initramfs => {
                mount::move_mount(&self.host.root, new.join("sysroot"))?;
                mount::move_mount(new, &self.host.root)?;
                Dir::open_ambient("/")?.remove_dir(Trusted(relative(new)))?;
                self.host.root.join("sysroot")
            }
            Init::First => {
                mount::pivot_root(new, new.join("sysroot"))?;
                for name in ["proc", "run", "dev", "sys"] {
                    let (old, place) =
                        (Path::new("/sysroot").join(name), Path::new("/").join(name));
                    if place.is_dir() && old.is_dir() && mount::is_mount_point(&old)? {
                        mount::move_mount(&old, &place)?;
                    }
                }
                PathBuf::from("/sysroot")
            }
        };
        match booted.sysroot_readonly {
            true => mount::remount(sysroot, Writable::No),
            false => Ok(()),
        }
    }

    fn has_dir(&self, name: &str) -> Result<bool, FsError> {
        let metadata = self.deployment.metadata_optional(name)?;
        Ok(metadata.is_some_and(|metadata| metadata.file_type == FileType::Directory))
    }

    /// Whether the physical root was mounted for writing.
    fn is_root_writable(&self) -> Result<bool, FsError> {
        Ok(!self.root.is_read_only()?)
    }
}

/// A kernel that was told to mount the root read-only is left to: the system mounts it for writing when it has checked it.
fn make_writable(place: &Path, is_root_writable: bool) -> Result<(), FsError> {
    match is_root_writable {
        true => mount::remount(place, Writable::Yes),
        false => Ok(()),
    }
}

/// A path to an open directory that no mount and no symlink can turn elsewhere. `/proc` must be mounted.
fn through(dir: &Dir) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd()))
}

/// An absolute path as seen from `/`.
fn relative(path: &Path) -> &str {
    path.to_str().unwrap_or_default().trim_start_matches('/')
}
