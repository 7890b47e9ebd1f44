//! Makes a host what its host file says.
//!
//! What is missing is decided by [`plan_apply`], a pure function of what there is and what is wanted; [`apply`] does it in an order in which each
//! step stands for itself, so that after a crash the same call goes on. Nothing that the file does not name is changed, but for kernel arguments
//! that an earlier file has brought: they are remembered in the boot entry, and go once the file does not name them any more.

use std::collections::BTreeMap;

use ostler_format::kargs::KargsError;
use ostler_format::keyfile::KeyFileError;
use ostler_format::origin::{OriginError, Source};
use ostler_format::{KernelArgs, Refspec, RemoteName, StaterootName};
use ostler_fs::{Durability, FsError};
use ostler_store::StoreError;
use ostler_store::remote::{IfExists, RemoteError, RemotePlace, RemoteValue};
use serde::Serialize;

use crate::deployment::Deployment;
use crate::host_file::{self, HostFile, HostFileError, RemoteWish};
use crate::kargs::defaults::{Defaults, DefaultsError};
use crate::kargs::sources::{self, HOST_FILE};
use crate::kargs::{Base, KargsWish};
use crate::lock::SysrootLock;
use crate::origin_file::{self, OriginFileError};
use crate::sysroot::{Sysroot, SysrootError};

/// A host that could not be made what its file says.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The system root.
    #[error("{0}")]
    Sysroot(#[from] SysrootError),
    /// The repository.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A remote.
    #[error("{0}")]
    Remote(#[from] RemoteError),
    /// The host file that is there already.
    #[error("{0}")]
    HostFile(#[from] HostFileError),
    /// The name of a remote.
    #[error("remotes: {0}")]
    RemoteName(#[from] ostler_format::refname::NameError),
    /// A value that the repository's config cannot hold.
    #[error("the repository's config: {0}")]
    Config(#[from] KeyFileError),
    /// The origin of a deployment.
    #[error("{0}")]
    Origin(#[from] OriginError),
    /// Its file.
    #[error("{0}")]
    OriginFile(#[from] OriginFileError),
    /// The kernel arguments that the tree brings along.
    #[error("{0}")]
    DefaultKargs(#[from] DefaultsError),
    /// There is nothing to apply it to.
    #[error("no deployment for stateroot `{stateroot}`")]
    NoDeployment {
        /// The stateroot.
        stateroot: StaterootName,
    },
    /// What should be followed comes from nowhere.
    #[error("follow: there is no remote `{remote}`, and the file names none")]
    NoRemote {
        /// Its name.
        remote: String,
    },
    /// A remote is configured in a file of its own.
    #[error("remote `{remote}` is configured in {place}, which is changed there")]
    OtherPlace {
        /// Its name.
        remote: String,
        /// Where it is.
        place: String,
    },
}

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The remotes by name, as the file could have them.
    pub remotes: BTreeMap<String, RemoteWish>,
    /// What upgrades follow now.
    pub follows: Option<Refspec>,
    /// What they follow once the deployment runs that boots next.
    pub next_follows: Option<Refspec>,
    /// The kernel arguments of what boots next.
    pub kargs: KernelArgs,
    /// Those of them that an earlier host file has brought.
    pub owned: KernelArgs,
    /// Those that its tree or another program wants there, too.
    pub wanted_by_others: KernelArgs,
    /// Whether the file that is applied is the one in `/etc`.
    pub installed: bool,
}

/// One thing that is not as the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum ApplyStep {
    /// The file becomes the host's, for its retention and its rules for `/etc`.
    Install,
    /// A remote is added.
    AddRemote {
        /// Its name.
        name: String,
        /// Where it is.
        url: String,
    },
    /// Keys of a remote get other values.
    ChangeRemote {
        /// Its name.
        name: String,
        /// Key, value now, value then.
        keys: Vec<(String, String, String)>,
    },
    /// Upgrades follow another ref.
    Follow {
        /// What they follow now.
        from: Option<String>,
        /// What they follow then.
        to: String,
    },
    /// Kernel arguments change, in a new deployment.
    Kargs {
        /// Those that are missing.
        add: Vec<String>,
        /// Those that an earlier file has brought and this one does not name.
        remove: Vec<String>,
        /// The same, but they stay: the tree or another program wants them there.
        release: Vec<String>,
    },
}

/// Decides what has to be done, in the order in which it is done; nothing if the host is so already.
///
/// # Errors
/// [`ApplyError::NoRemote`], [`ApplyError::RemoteName`].
pub fn plan_apply(facts: &Facts, wish: &HostFile) -> Result<Vec<ApplyStep>, ApplyError> {
    let mut steps = Vec::new();
    if !facts.installed {
        steps.push(ApplyStep::Install);
    }
    for (name, remote) in &wish.remotes {
        RemoteName::new(name.as_str())?;
        let Some(there) = facts.remotes.get(name) else {
            steps.push(ApplyStep::AddRemote {
                name: name.clone(),
                url: remote.url.clone(),
            });
            continue;
        };
        let mut keys = Vec::new();
        let mut differs = |key: &str, now: String, then: String| {
            if now != then {
                keys.push((key.to_owned(), now, then));
            }
        };
        differs("url", there.url.clone(), remote.url.clone());
        for (key, now, then) in [
            ("gpg-verify", there.gpg_verify, remote.gpg_verify),
            (
                "gpg-verify-summary",
                there.gpg_verify_summary,
                remote.gpg_verify_summary,
            ),
        ] {
            if let Some(then) = then {
                differs(key, now.unwrap_or(false).to_string(), then.to_string());
            }
        }
        if !keys.is_empty() {
            let name = name.clone();
            steps.push(ApplyStep::ChangeRemote { name, keys });
        }
    }
    if let Some(follow) = &wish.follow
        && [&facts.follows, &facts.next_follows] != [&wish.follow; 2]
    {
        if let Some(remote) = follow.remote.as_ref().map(ToString::to_string)
            && !wish.remotes.contains_key(&remote)
            && !facts.remotes.contains_key(&remote)
        {
            return Err(ApplyError::NoRemote { remote });
        }
        steps.push(ApplyStep::Follow {
            from: match facts.follows.as_ref() == Some(follow) {
                true => facts.next_follows.as_ref().map(ToString::to_string),
                false => facts.follows.as_ref().map(ToString::to_string),
            },
            to: follow.to_string(),
        });
    }
    steps.extend(plan_kargs(facts, &wish.kargs));
    Ok(steps)
}

fn plan_kargs(facts: &Facts, wanted: &[String]) -> Option<ApplyStep> {
    let missing = wanted.iter().filter(|karg| !facts.kargs.contains(karg));
    let add: Vec<String> = missing.cloned().collect();
    let dropped = facts.owned.iter().map(ToString::to_string);
    let dropped = dropped.filter(|karg| !wanted.contains(karg));
    let (release, remove): (Vec<String>, Vec<String>) = dropped
        .partition(|karg| facts.wanted_by_others.contains(karg) || !facts.kargs.contains(karg));
    let nothing = add.is_empty() && remove.is_empty() && release.is_empty();
    (!nothing).then_some(ApplyStep::Kargs {
        add,
        remove,
        release,
    })
}

/// Returns what a new deployment is asked for where kernel arguments change: `kargs` and `owned` are as in [`Facts`].
///
/// # Errors
/// [`KargsError`] if an argument of the file is none.
pub fn kargs_wish(
    kargs: &KernelArgs,
    owned: &KernelArgs,
    step: &ApplyStep,
) -> Result<Option<KargsWish>, KargsError> {
    let ApplyStep::Kargs {
        add,
        remove,
        release,
    } = step
    else {
        return Ok(None);
    };
    let mut owned = owned.clone();
    for argument in remove.iter().chain(release) {
        owned.delete_if_present(argument)?;
    }
    for argument in add {
        owned.append(argument);
    }
    Ok(Some(KargsWish {
        base: Base::Given(kargs.clone()),
        append: add.clone(),
        delete: remove.clone(),
        owned: vec![(HOST_FILE, owned)],
        ..KargsWish::default()
    }))
}

/// Finds the deployment that a new one of the stateroot continues, and the one that boots next.
fn deployments<'a>(
    sysroot: &'a Sysroot,
    stateroot: &StaterootName,
) -> Result<(&'a Deployment, &'a Deployment), ApplyError> {
    sysroot
        .merge_source(stateroot)
        .zip(sysroot.next_of(stateroot))
        .ok_or_else(|| ApplyError::NoDeployment {
            stateroot: stateroot.clone(),
        })
}

/// Looks at what there is; `text` is the file that will be applied.
///
/// # Errors
/// [`ApplyError`].
pub fn read_facts(
    sysroot: &Sysroot,
    stateroot: &StaterootName,
    text: &[u8],
) -> Result<Facts, ApplyError> {
    let (current, next) = deployments(sysroot, stateroot)?;
    let etc = sysroot.open_deployment(&current.id)?.open_dir("etc")?;
    let installed = etc.read_in_root_optional(host_file::PATH, host_file::MAX_BYTES)?;
    let remotes_dir = sysroot.repo.remotes_dir(None);
    let remotes = sysroot.repo.remotes(remotes_dir.as_deref())?;
    let remote = |remote: &ostler_store::remote::Remote| {
        let wish = RemoteWish {
            url: remote.url.clone().unwrap_or_default(),
            gpg_verify: Some(remote.gpg_verify),
            gpg_verify_summary: Some(remote.gpg_verify_summary),
        };
        (remote.name.clone(), wish)
    };
    Ok(Facts {
        remotes: remotes.iter().map(remote).collect(),
        follows: current.followed()?,
        next_follows: next.followed()?,
        kargs: next.entry.options.clone(),
        owned: sources::owned_by(next, HOST_FILE),
        wanted_by_others: wanted_by_others(sysroot, next)?,
        installed: installed.as_deref() == Some(text),
    })
}

fn wanted_by_others(sysroot: &Sysroot, next: &Deployment) -> Result<KernelArgs, ApplyError> {
    let mut wanted = KernelArgs::new();
    for default in Defaults::of_deployment(&sysroot.open_deployment(&next.id)?)?.iter() {
        wanted.append(default.argument.as_str());
    }
    for (_, kargs) in sources::owned(next).filter(|(name, _)| *name != HOST_FILE) {
        wanted.append(&kargs.to_string());
    }
    Ok(wanted)
}

/// Does every step but [`ApplyStep::Kargs`], which takes a new deployment and is the caller's; `text` is the file.
///
/// # Errors
/// [`ApplyError`]; what was done before stays, and the same call goes on.
pub fn apply(
    lock: &mut SysrootLock,
    stateroot: &StaterootName,
    wish: &HostFile,
    text: &[u8],
    steps: &[ApplyStep],
) -> Result<(), ApplyError> {
    for step in steps {
        match step {
            ApplyStep::Install => install(lock, stateroot, text)?,
            ApplyStep::AddRemote { name, .. } => {
                let mut keys = Vec::new();
                if let Some(remote) = wish.remotes.get(name) {
                    keys.push(("url".to_owned(), RemoteValue::Text(remote.url.clone())));
                    let flag = |key: &str, value: Option<bool>| {
                        value.map(|value| (key.to_owned(), RemoteValue::Flag(value)))
                    };
                    keys.extend(flag("gpg-verify", remote.gpg_verify));
                    keys.extend(flag("gpg-verify-summary", remote.gpg_verify_summary));
                }
                let remotes_dir = lock.repo.remotes_dir(None);
                let name = RemoteName::new(name.as_str())?;
                let repo = lock.repo_mut();
                repo.add_remote(&name, &keys, IfExists::Refuse, remotes_dir.as_deref())?;
            }
            ApplyStep::ChangeRemote { name, keys } => change_remote(lock, name, keys)?,
            ApplyStep::Follow { .. } => follow(lock, stateroot, wish)?,
            ApplyStep::Kargs { .. } => {}
        }
    }
    Ok(())
}

fn install(lock: &SysrootLock, stateroot: &StaterootName, text: &[u8]) -> Result<(), ApplyError> {
    let (current, _) = deployments(lock, stateroot)?;
    let etc = lock.open_deployment(&current.id)?.open_dir("etc")?;
    let (directory, name) = host_file::PATH
        .split_once('/')
        .unwrap_or((".", host_file::PATH));
    etc.ensure_dir(directory, 0o755)?;
    let directory = etc.open_dir(directory)?;
    Ok(directory.write_atomic(name, text, 0o644, Durability::Synced)?)
}

fn change_remote(
    lock: &mut SysrootLock,
    name: &str,
    keys: &[(String, String, String)],
) -> Result<(), ApplyError> {
    let remotes_dir = lock.repo.remotes_dir(None);
    let remote = lock.repo.remote(name, remotes_dir.as_deref())?;
    if remote.place != RemotePlace::Config {
        return Err(ApplyError::OtherPlace {
            remote: name.to_owned(),
            place: remote.place.to_string(),
        });
    }
    let mut file = lock.repo.config().file().clone();
    let group = format!("remote \"{name}\"");
    for (key, _, value) in keys {
        file.set_string(&group, key, value)?;
    }
    Ok(lock.repo_mut().write_config(file)?)
}

fn follow(
    lock: &mut SysrootLock,
    stateroot: &StaterootName,
    wish: &HostFile,
) -> Result<(), ApplyError> {
    let Some(refspec) = wish.follow.clone() else {
        return Ok(());
    };
    let (current, next) = deployments(lock, stateroot)?;
    for id in [current.id.clone(), next.id.clone()] {
        let Some(index) = lock.deployments.iter().position(|it| it.id == id) else {
            continue;
        };
        let mut origin = lock.at(index)?.origin.clone().unwrap_or_default();
        origin.set_source(&Source::Refspec(refspec.clone()))?;
        origin_file::replace(lock, index, &origin)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let remote = RemoteWish {
            url: "http://a".to_owned(),
            gpg_verify: Some(true),
            gpg_verify_summary: Some(false),
        };
        Facts {
            remotes: BTreeMap::from([("o".to_owned(), remote)]),
            follows: Some(Refspec::parse("o:os").unwrap()),
            next_follows: Some(Refspec::parse("o:os").unwrap()),
            kargs: KernelArgs::parse("quiet ostree=/x"),
            installed: true,
            ..Facts::default()
        }
    }

    fn plan(text: &str) -> Result<Vec<ApplyStep>, String> {
        let wish = HostFile::parse(text, "host.toml").unwrap();
        plan_apply(&facts(), &wish).map_err(|error| error.to_string())
    }

    #[test]
    fn only_what_is_not_so_is_done() {
        let so = "follow = 'o:os'\nkargs = ['quiet']\n[remotes.o]\nurl = 'http://a'";
        assert_eq!(plan(so), Ok(Vec::new()));
        assert_eq!(plan(""), Ok(Vec::new()), "what is not said is left");
        let other = "follow = 'p:os'\nkargs = ['quiet', 'a=b']
            [remotes.o]\nurl = 'http://b'\ngpg-verify = false
            [remotes.p]\nurl = 'http://p'";
        let text = |text: &str| text.to_owned();
        let expected = vec![
            ApplyStep::ChangeRemote {
                name: text("o"),
                keys: vec![
                    (text("url"), text("http://a"), text("http://b")),
                    (text("gpg-verify"), text("true"), text("false")),
                ],
            },
            ApplyStep::AddRemote {
                name: text("p"),
                url: text("http://p"),
            },
            ApplyStep::Follow {
                from: Some(text("o:os")),
                to: text("p:os"),
            },
            ApplyStep::Kargs {
                add: vec![text("a=b")],
                remove: Vec::new(),
                release: Vec::new(),
            },
        ];
        assert_eq!(plan(other), Ok(expected));
    }

    #[test]
    fn arguments_of_an_earlier_file_go_and_nobody_elses() {
        let facts = Facts {
            kargs: KernelArgs::parse("root=x quiet a=1 b=1 c=1 ostree=/x"),
            owned: KernelArgs::parse("a=1 b=1 c=1 gone=1"),
            wanted_by_others: KernelArgs::parse("b=1"),
            ..Facts::default()
        };
        let step = plan_kargs(
            &facts,
            &["quiet".to_owned(), "c=1".to_owned(), "d=1".to_owned()],
        );
        let step = step.expect("there is something to do");
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let expected = ApplyStep::Kargs {
            add: list(&["d=1"]),
            remove: list(&["a=1"]),
            release: list(&["b=1", "gone=1"]),
        };
        assert_eq!(step, expected);
        let wish = kargs_wish(&facts.kargs, &facts.owned, &step);
        let wish = wish.unwrap().unwrap();
        assert_eq!(wish.owned, [(HOST_FILE, KernelArgs::parse("c=1 d=1"))]);
        let none = Defaults::default();
        let kargs = wish.apply(&crate::kargs::Inherited::default(), "", &none);
        assert_eq!(
            kargs.unwrap().to_string(),
            "root=x quiet b=1 c=1 ostree=/x d=1"
        );
        let done = Facts {
            kargs: KernelArgs::parse("root=x quiet"),
            ..Facts::default()
        };
        assert_eq!(plan_kargs(&done, &["quiet".to_owned()]), None);
    }

    #[test]
    fn a_ref_of_a_remote_that_is_nowhere_is_refused() {
        let message = plan("follow = 'nowhere:os'").unwrap_err();
        assert!(message.contains("no remote `nowhere`"), "{message}");
    }
}
