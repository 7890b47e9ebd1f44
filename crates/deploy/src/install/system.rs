//! The first deployment of a new system: repository, remote, commit, `/etc`.

use std::path::{Path, PathBuf};

use ostler_format::kargs::KargsError;
use ostler_format::origin::{OriginError, Source as Followed};
use ostler_format::{Karg, KernelArgs, Origin, RefName, Refspec, RemoteName, StaterootName};
use ostler_fs::{Dir, Durability, FsError};
use ostler_store::progress::Sink;
use ostler_store::pull::{self, NetworkOptions, PullError, PullOptions, PullTarget};
use ostler_store::remote::{IfExists, RemoteValue};
use ostler_store::sign::openpgp::{Keyring, trusted};
use ostler_store::sign::{RemoteVerifier, SignError, TrustRoots};
use ostler_store::{RefKey, RemoteError, Repo, StoreError};

use crate::deploy::{self, DeployError, DeployOptions, MergeFrom};
use crate::host::{Host, HostError};
use crate::kargs::{Base, KargsWish};
use crate::layout::{self, DeploymentId};
use crate::lock::{SysrootLock, SysrootLockError};
use crate::settings::Settings;
use crate::stateroot::{self, Epoch, InitError};

/// What a configuration of the tree is read up to, in bytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
const IGNITION_DIR: &str = "ignition";
const IGNITION_KARGS: [&str; 2] = ["ignition.firstboot", "ignition.platform.id=metal"];

/// Where the tree comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A repository on this machine.
    Local(PathBuf),
    /// A server.
    Url(String),
}

/// What the new system knows of the server that it gets its updates from.
#[derive(Clone, Debug)]
pub struct RemoteSettings {
    /// How it calls it.
    pub name: RemoteName,
    /// What is written about it: its URL, and the signatures that it must have.
    pub values: Vec<(String, RemoteValue)>,
    /// OpenPGP keys that are trusted.
    pub keys: Keyring,
}

/// The system that is to be.
#[derive(Clone, Debug)]
pub struct System {
    /// Where the tree comes from.
    pub source: Source,
    /// The ref, or commit, that is fetched from there.
    pub target: PullTarget,
    /// Where updates come from; without it there are none until somebody adds a remote.
    pub remote: Option<RemoteSettings>,
    /// The ref that updates follow.
    pub follow: RefName,
    /// Its stateroot.
    pub stateroot: StaterootName,
    /// Kernel arguments beside those that say which file system is the root.
    pub kargs: Vec<String>,
    /// Who may log in as root: the content of an `authorized_keys`.
    pub root_ssh_keys: Option<Vec<u8>>,
    /// A configuration for Ignition.
    pub ignition: Option<Vec<u8>>,
    /// How the network is used.
    pub network: NetworkOptions,
}

/// The file systems of the new system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// Where its root is, here.
    pub(super) root: &'a Path,
    /// `root=`, and what belongs to it.
    pub(super) root_kargs: Vec<String>,
    /// Lines for `/etc/fstab`.
    pub(super) fstab: Vec<String>,
    /// `sysroot.bootloader`.
    pub(super) bootloader: &'static str,
}

/// The first deployment could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The skeleton.
    #[error("{0}")]
    Init(#[from] InitError),
    /// The lock of the new root.
    #[error("{0}")]
    Lock(#[from] SysrootLockError),
    /// The running system.
    #[error("{0}")]
    Host(#[from] HostError),
    /// A repository.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The remote.
    #[error("{0}")]
    Remote(#[from] RemoteError),
    /// The remote's keys.
    #[error("{0}")]
    Sign(#[from] SignError),
    /// The tree could not be fetched.
    #[error("{0}")]
    Pull(#[from] Box<PullError>),
    /// The kernel arguments.
    #[error("{0}")]
    Kargs(#[from] KargsError),
    /// The origin.
    #[error("{0}")]
    Origin(#[from] OriginError),
    /// The deployment.
    #[error("{0}")]
    Deploy(#[from] Box<DeployError>),
}

/// What was made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) id: DeploymentId,
    pub(super) refspec: String,
    pub(super) kargs: KernelArgs,
    pub(super) warnings: Vec<String>,
}

/// Makes a directory a system root with one deployment.
///
/// Nothing is synced: whoever made the directory's file system does that once, at the end.
pub(super) fn install(
    system: &System,
    place: &Place<'_>,
    settings: Settings,
    sink: &dyn Sink,
) -> Result<Made, SystemError> {
    stateroot::init_fs(place.root, Epoch::One)?;
    let mut lock = SysrootLock::acquire_on(place.root, settings, Host::read()?, &mut |_| ())?;
    stateroot::init_stateroot(&lock, &system.stateroot)?;
    let mut config = lock.repo().config().file().clone();
    // A value that stands in a key file as it is.
    let _ = config.set_string("sysroot", "bootloader", place.bootloader);
    lock.repo_mut().write_config(config)?;
    let refspec = fetch(system, lock.repo_mut(), sink)?;
    let kargs = kernel_arguments(system, place)?;
    let commit = match &system.target {
        PullTarget::Commit(commit) | PullTarget::RefAt(_, commit) => *commit,
        PullTarget::Ref(_) => lock.repo().resolve(&refspec)?,
    };
    let options = DeployOptions {
        stateroot: Some(system.stateroot.clone()),
        origin: Some(Origin::new(&Followed::Refspec(
            Refspec::parse(&refspec).map_err(StoreError::from)?,
        ))?),
        kargs: KargsWish {
            base: Base::Empty,
            append: kargs,
            ..KargsWish::default()
        },
        merge: MergeFrom::Nothing,
        ..DeployOptions::default()
    };
    let deployed = deploy::deploy(&mut lock, commit, &options, sink).map_err(Box::new)?;
    configure(system, place, &lock, &deployed.id)?;
    let entry = lock
        .deployments
        .first()
        .map(|first| first.entry.options.clone());
    Ok(Made {
        id: deployed.id,
        refspec,
        kargs: entry.unwrap_or_default(),
        warnings: deployed
            .published
            .map(|published| published.warnings)
            .unwrap_or_default(),
    })
}

fn kernel_arguments(system: &System, place: &Place<'_>) -> Result<Vec<String>, SystemError> {
    let ignition = match system.ignition {
        Some(_) => &IGNITION_KARGS[..],
        None => &[],
    };
    let given = system.kargs.iter().map(String::as_str);
    let root = place.root_kargs.iter().map(String::as_str);
    let mut all = Vec::new();
    for argument in root.chain(given).chain(ignition.iter().copied()) {
        all.push(Karg::new(argument)?.as_str().to_owned());
    }
    Ok(all)
}

/// Adds the remote, fetches the commit, and returns what names it from then on.
fn fetch(system: &System, repo: &mut Repo, sink: &dyn Sink) -> Result<String, SystemError> {
    let name = system.remote.as_ref().map(|remote| &remote.name);
    if let Some(remote) = &system.remote {
        repo.add_remote(&remote.name, &remote.values, IfExists::Refuse, None)?;
        if !remote.keys.is_empty() {
            trusted::import(repo, &remote.name, remote.keys.clone())?;
        }
    }
    let mut options = PullOptions {
        targets: vec![system.target.clone()],
        fsync: Some(false),
        network: system.network.clone(),
        ..PullOptions::default()
    };
    match &system.source {
        Source::Local(path) => {
            let source = Repo::open(path)?;
            let verifier = match name {
                Some(name) => {
                    let remote = repo.remote(name.as_str(), None)?;
                    RemoteVerifier::for_remote(repo, &remote, &TrustRoots::of_host())?
                }
                None => RemoteVerifier::trusting(),
            };
            pull::pull_local_verified(repo, &source, name, &options, &verifier, sink)
                .map_err(Box::new)?;
        }
        Source::Url(url) => {
            let remote = repo.remote(name.map_or("", RemoteName::as_str), None)?;
            options.network.url = Some(url.clone());
            pull::pull(repo, &remote, &options, sink).map_err(Box::new)?;
        }
    }
    follow(system, repo, name)
}

/// Lets the ref that is followed lead to what was fetched.
fn follow(
    system: &System,
    repo: &Repo,
    remote: Option<&RemoteName>,
) -> Result<String, SystemError> {
    let key = |name: &RefName| match remote {
        Some(remote) => RefKey::Remote {
            remote: remote.clone(),
            name: name.clone(),
        },
        None => RefKey::Head(name.clone()),
    };
    let wanted = key(&system.follow);
    let commit = match &system.target {
        PullTarget::Commit(commit) | PullTarget::RefAt(_, commit) => *commit,
        PullTarget::Ref(name) => repo.resolve(&key(name).to_string())?,
    };
    if let PullTarget::Ref(name) | PullTarget::RefAt(name, _) = &system.target
        && *name != system.follow
    {
        repo.set_ref(&key(name), None)?;
    }
    repo.set_ref(&wanted, Some(commit))?;
    Ok(wanted.to_string())
}

/// Writes what this machine has of its own into `/etc` and `/boot`.
fn configure(
    system: &System,
    place: &Place<'_>,
    lock: &SysrootLock,
    id: &DeploymentId,
) -> Result<(), SystemError> {
    let deployment = lock.open_deployment(id)?;
    let etc = deployment.open_dir("etc")?;
    // Its first boot makes one: no two machines may share it.
    etc.write_atomic("machine-id", "", 0o444, Durability::Cached)?;
    if !place.fstab.is_empty() {
        let mut fstab = etc
            .read_in_root_optional("fstab", MAX_CONFIG_BYTES)?
            .unwrap_or_default();
        if !fstab.is_empty() && !fstab.ends_with(b"\n") {
            fstab.push(b'\n');
        }
        for line in &place.fstab {
            fstab.extend_from_slice(line.as_bytes());
            fstab.push(b'\n');
        }
        etc.write_atomic("fstab", fstab, 0o644, Durability::Cached)?;
    }
    if let Some(keys) = &system.root_ssh_keys {
        let dir = etc.create_dir_all("tmpfiles.d", 0o755)?;
        let text = tmpfiles_of_keys(keys);
        dir.write_atomic("ostler-root-ssh.conf", text, 0o600, Durability::Cached)?;
    }
    if let Some(config) = &system.ignition {
        let root = Dir::open_ambient(place.root)?;
        let dir = root
            .open_dir(layout::BOOT)?
            .create_dir_all(IGNITION_DIR, 0o700)?;
        dir.write_atomic("config.ign", config, 0o600, Durability::Cached)?;
        etc.create_dir_all("systemd/system/multi-user.target.wants", 0o755)?
            .replace_symlink(format!("../{IGNITION_UNIT}"), IGNITION_UNIT)?;
        etc.open_dir_beneath("systemd/system")?.write_atomic(
            IGNITION_UNIT,
            IGNITION_DONE,
            0o644,
            Durability::Cached,
        )?;
    }
    Ok(())
}

const IGNITION_UNIT: &str = "ostler-ignition-done.service";

/// Ignition runs whenever it finds its argument, so that the next boot must not have it.
const IGNITION_DONE: &str = "\
[Unit]
Description=Take the arguments of the first boot from the next one
ConditionKernelCommandLine=ignition.firstboot
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/usr/bin/ostler kargs --delete-if-present=ignition.firstboot --delete-if-present=ignition.platform.id=metal
ExecStart=/bin/rm -f /boot/ignition/config.ign

[Install]
WantedBy=multi-user.target
";

/// Puts keys where root's home is made, if it is on `/var` and not there yet.
fn tmpfiles_of_keys(keys: &[u8]) -> String {
    let encoded = base64::engine::Engine::encode(&base64::prelude::BASE64_STANDARD, keys);
    format!(
        "# The keys that the installer was given.\n\
         d %h/.ssh 0700 root root -\n\
         f~ %h/.ssh/authorized_keys 0600 root root - {encoded}\n"
    )
}
