//! The deployment that is finished at shutdown.
//!
//! Its tree is checked out now; `/etc` is merged and the boot order changed when the system stops, so that what a person changes until then is
//! carried over. What is needed for that is kept in `/run`, which is gone after a crash: then the old boot order stays, and the cleanup
//! removes the tree. A failure at shutdown leaves its reason in `/boot`, where [`finalization`] finds it.

use ostler_format::variant::Type;
use ostler_format::{Checksum, CommitId, KernelArgs, Value};
use ostler_fs::{Dir, Durability, FsError, Trusted};
use ostler_store::progress::Sink;

use crate::cleanup::{self, CleanupError};
use crate::deploy::{self, DeployError, DeployOptions, Deployed, Prepared};
use crate::deployment::Deployment;
use crate::etc_merge::{self, EtcMergeError, MergePlan, Sides};
use crate::finalization;
use crate::history;
use crate::layout::{self, DeploymentId};
use crate::lock::SysrootLock;
use crate::materialize::{self, MaterializeError};
use crate::merge_record;
use crate::plan::{Position, Retain, Wish};
use crate::preflight::{self, BootSpaceError};
use crate::stateroot::bump_mtime;
use crate::sysroot::SysrootError;

/// A deployment could not be staged or finished.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// Only a running deployment has a shutdown to wait for.
    #[error("Cannot stage deployment: Not currently booted into an OSTree system")]
    NotBooted,
    /// Those that stay beside a staged deployment are decided at shutdown.
    #[error("--stage cannot be combined with {option}")]
    Unsupported {
        /// The option.
        option: &'static str,
    },
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The system root.
    #[error("{0}")]
    Sysroot(#[from] SysrootError),
    /// The deployment.
    #[error("{0}")]
    Deploy(#[from] DeployError),
    /// The deployment's directory.
    #[error("{0}")]
    Materialize(#[from] MaterializeError),
    /// A merge of `/etc` that would fail at shutdown.
    #[error("{0}")]
    EtcMerge(#[from] EtcMergeError),
    /// Too little room in `/boot` at shutdown.
    #[error("{0}")]
    BootSpace(#[from] BootSpaceError),
    /// Leftovers.
    #[error("performing cleanup: {0}")]
    Cleanup(#[from] CleanupError),
    /// The deployment whose `/etc` should be merged is gone.
    #[error("failed to find merge deployment `{name}` for the staged one")]
    MergeSourceGone {
        /// Its name.
        name: String,
    },
}

/// Whether a staged deployment waits for a person's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finalization {
    /// It is finished at the next shutdown.
    #[default]
    AtShutdown,
    /// It is not, until it is unlocked.
    Locked,
}

/// A staged deployment.
#[derive(Clone, Debug)]
pub struct StagedDeployment {
    /// Its name.
    pub id: DeploymentId,
    /// What the merge of `/etc` would do now; `None` if there is nothing to merge with.
    pub merge: Option<MergePlan>,
    /// Whether the next shutdown finishes it.
    pub finalization: Finalization,
}

/// Checks a commit out now, to be finished at shutdown; what would fail then is tried now.
///
/// A deployment that was staged before is given up.
///
/// # Errors
/// [`StageError`].
pub fn stage(
    lock: &mut SysrootLock,
    commit: CommitId,
    options: &DeployOptions,
    finalization: Finalization,
    sink: &dyn Sink,
) -> Result<StagedDeployment, StageError> {
    lock.booted().ok_or(StageError::NotBooted)?;
    if options.retain != Retain::default() {
        return Err(StageError::Unsupported {
            option: "options that retain deployments",
        });
    }
    if options.position != Position::Default {
        return Err(StageError::Unsupported {
            option: "--not-as-default",
        });
    }
    let prepared = deploy::prepare(lock, commit, options)?;
    cleanup::leftovers(lock)?;
    deploy::check(lock, &prepared, options)?;
    let deployment = materialize::check_out(lock, &prepared.request, sink)?;
    let root = lock.open_deployment(&deployment.id)?;
    materialize::copy_default_etc(&root)?;
    let merge = rehearse(lock, &deployment, prepared.merge.as_ref())?;
    if let Some(merge) = &merge {
        // What the merge would do, until it is done.
        merge_record::write(lock, &deployment.id, &merge.report)?;
    }
    if let Some(origin) = &deployment.origin {
        let path = deployment.id.origin_path();
        lock.ostree
            .write_atomic(Trusted(path), origin.to_bytes(), 0o644, Durability::Cached)?;
    }
    lock.ostree.sync_file_system()?;
    describe(lock, &deployment, &prepared, finalization)?;
    history::note_deployed(lock, &deployment);
    finalization::forget_failure(lock)?;
    bump_mtime(&lock.ostree)?;
    lock.sysroot_mut().reload()?;
    cleanup::leftovers(lock)?;
    Ok(StagedDeployment {
        id: deployment.id,
        merge,
        finalization,
    })
}

/// Finishes the staged deployment; `None` if there is none, or it is locked.
///
/// # Errors
/// [`StageError`]; the reason is left for [`last_failure`](crate::finalization::last_failure), and the old boot order is in place. After
/// [`StageError::Cleanup`] the new one is, and nothing is left to be told.
pub fn finalize(lock: &mut SysrootLock) -> Result<Option<Deployed>, StageError> {
    let result = finalize_inner(lock);
    let noted = match &result {
        // What is left over then is for the next cleanup: the new order is in place.
        Ok(Some(_)) | Err(StageError::Cleanup(_)) => finalization::forget_failure(lock),
        Ok(None) => Ok(()),
        Err(error) => finalization::note_failure(lock, error),
    };
    // The reason for the failure itself matters more than one for not noting it.
    let finished = result?;
    noted?;
    Ok(finished)
}

/// Gives up the staged deployment: its description first, so that nothing is finished of what is removed after it.
pub(crate) fn discard(lock: &SysrootLock) -> Result<(), FsError> {
    let Some(staged) = lock.staged() else {
        return Ok(());
    };
    let id = staged.id.clone();
    let run = Dir::open_ambient(&lock.host.run)?;
    run.unlink_optional(Trusted(layout::RUN_STAGED))?;
    cleanup::remove_deployment(lock, &id)?;
    run.unlink_optional(Trusted(layout::RUN_STAGED_LOCKED))?;
    Ok(())
}

/// Tries what happens at shutdown, as far as it can be tried without writing.
fn rehearse(
    lock: &SysrootLock,
    deployment: &Deployment,
    merge_source: Option<&DeploymentId>,
) -> Result<Option<MergePlan>, StageError> {
    if let Some(boot) = &lock.boot {
        let stays = lock
            .deployments
            .iter()
            .filter(|now| now.booted || now.is_pinned());
        let order: Vec<Deployment> = std::iter::once(deployment).chain(stays).cloned().collect();
        preflight::boot_space(lock, boot, &order)?;
    }
    let Some(source) = merge_source else {
        return Ok(None);
    };
    let (old, new) = (
        lock.open_deployment(source)?,
        lock.open_deployment(&deployment.id)?,
    );
    let defaults = |root: &Dir| root.open_dir_in_root_optional("usr/etc");
    let (Some(old_default), Some(person), Some(new_default)) = (
        defaults(&old)?,
        old.open_dir_optional("etc")?,
        defaults(&new)?,
    ) else {
        return Ok(None);
    };
    let sides = Sides {
        old_default: &old_default,
        person: &person,
        new_default: &new_default,
    };
    Ok(Some(etc_merge::plan(
        sides,
        lock.settings.file_against_directory,
    )?))
}

/// Writes what finishing needs to `/run`, and gives up what was staged before.
fn describe(
    lock: &SysrootLock,
    deployment: &Deployment,
    prepared: &Prepared,
    finalization: Finalization,
) -> Result<(), StageError> {
    let previous = lock.staged().map(|staged| staged.id.clone());
    let run = Dir::open_ambient(&lock.host.run)?;
    run.ensure_dir("ostree", 0o755)?;
    let locked = finalization == Finalization::Locked;
    if locked {
        // Before the description: nobody may finish it in between.
        run.write_atomic(
            Trusted(layout::RUN_STAGED_LOCKED),
            b"",
            0o640,
            Durability::Cached,
        )?;
    }
    let mut entries = vec![(
        "target".to_owned(),
        reference(&deployment.id, &deployment.bootcsum),
    )];
    if locked {
        entries.push(("locked".to_owned(), Value::Bool(true)));
    }
    let merge = prepared
        .merge
        .as_ref()
        .and_then(|id| lock.deployments.iter().find(|now| now.id == *id));
    if let Some(merge) = merge {
        entries.push((
            "merge-deployment".to_owned(),
            reference(&merge.id, &merge.bootcsum),
        ));
    }
    let kargs: Vec<String> = deployment
        .entry
        .options
        .iter()
        .map(ToString::to_string)
        .collect();
    entries.push(("kargs".to_owned(), Value::strings(kargs)));
    let annotations = deployment.annotations();
    if !annotations.is_empty() {
        entries.push((layout::STAGED_ANNOTATIONS.to_owned(), texts(annotations)));
    }
    if !deployment.overlay_initrds.is_empty() {
        let overlays = deployment.overlay_initrds.iter().map(Checksum::to_hex);
        entries.push(("overlay-initrds".to_owned(), Value::strings(overlays)));
    }
    let text = Value::vardict(entries)
        .to_bytes()
        .expect("it was built of matching types");
    run.write_atomic(Trusted(layout::RUN_STAGED), text, 0o644, Durability::Cached)?;
    if let Some(previous) = previous {
        cleanup::remove_deployment(lock, &previous)?;
        if !locked {
            run.unlink_optional(Trusted(layout::RUN_STAGED_LOCKED))?;
        }
    }
    Ok(())
}

/// A dictionary of texts, as libostree keeps keys of a boot entry that are not its own.
fn texts(entries: Vec<(String, String)>) -> Value {
    let entry =
        |(key, value)| Value::DictEntry(Box::new(Value::Str(key)), Box::new(Value::Str(value)));
    let ty = Type::parse("{ss}").expect("it is a type");
    Value::Array(ty, entries.into_iter().map(entry).collect())
}

fn reference(id: &DeploymentId, bootcsum: &Checksum) -> Value {
    Value::vardict([
        ("name".to_owned(), Value::Str(id.name())),
        ("osname".to_owned(), Value::Str(id.stateroot.to_string())),
        ("bootcsum".to_owned(), Value::Str(bootcsum.to_hex())),
    ])
}

fn finalize_inner(lock: &mut SysrootLock) -> Result<Option<Deployed>, StageError> {
    let Some(mut staged) = lock.staged().cloned() else {
        return Ok(None);
    };
    if staged.staged.is_some_and(|staged| staged.locked) {
        return Ok(None);
    }
    let description = lock.host.staged().map_err(SysrootError::from)?;
    let merge = merge_source(lock, description.as_ref())?;
    if staged.entry.options.is_empty()
        && let Some(merge) = &merge
    {
        staged.entry.options = merge.entry.options.clone();
    }
    let says_annotations = description
        .as_ref()
        .is_some_and(|value| value.lookup(layout::STAGED_ANNOTATIONS).is_some());
    if !says_annotations && let Some(merge) = &merge {
        staged.entry.other = merge.annotations();
    }
    finalization::note_start(lock, &staged.id)?;
    // From here on a crash must not find a half-merged deployment to be finished.
    Dir::open_ambient(&lock.host.run)?.unlink_optional(Trusted(layout::RUN_STAGED))?;
    lock.sysroot_mut().reload()?;
    staged.staged = None;
    let report = materialize::finish(lock, &staged, merge.as_ref().map(|merge| &merge.id))?;
    let index = |id: &DeploymentId| lock.deployments.iter().position(|now| now.id == *id);
    let wish = Wish::Add {
        stateroot: staged.id.stateroot.to_string(),
        merge: merge.as_ref().and_then(|merge| index(&merge.id)),
        retain: Retain::default(),
        position: Position::Default,
    };
    let id = staged.id.clone();
    let published = deploy::place(lock, staged, &wish)?;
    cleanup::leftovers(lock)?;
    Ok(Some(Deployed {
        id,
        merge: report,
        published,
        bytes_freed: 0,
    }))
}

fn merge_source(
    lock: &SysrootLock,
    description: Option<&Value>,
) -> Result<Option<Deployment>, StageError> {
    let merge = description
        .and_then(|value| value.lookup("merge-deployment"))
        .map(Value::unboxed);
    let Some(merge) = merge else { return Ok(None) };
    let text = |key: &str| {
        merge
            .lookup(key)
            .and_then(|value| value.unboxed().as_str())
            .unwrap_or_default()
    };
    let (name, stateroot) = (text("name"), text("osname"));
    let found = lock.deployments.iter().find(|now| {
        now.staged.is_none() && now.id.name() == name && now.id.stateroot.as_str() == stateroot
    });
    found
        .cloned()
        .map(Some)
        .ok_or_else(|| StageError::MergeSourceGone {
            name: name.to_owned(),
        })
}

/// Replaces the kernel arguments of the staged deployment in its description.
pub(crate) fn rewrite_kargs(lock: &SysrootLock, kargs: &KernelArgs) -> Result<(), SysrootError> {
    let Some(Value::Array(ty, mut entries)) = lock.host.staged()? else {
        return Ok(());
    };
    entries.retain(|entry| entry.as_entry().and_then(|(key, _)| key.as_str()) != Some("kargs"));
    let kargs = Value::strings(kargs.iter().map(ToString::to_string));
    entries.push(Value::DictEntry(
        Box::new(Value::Str("kargs".to_owned())),
        Box::new(kargs.boxed()),
    ));
    let text = Value::Array(ty, entries)
        .to_bytes()
        .expect("only a value of the same type was put in");
    let run = Dir::open_ambient(&lock.host.run)?;
    run.write_atomic(Trusted(layout::RUN_STAGED), text, 0o644, Durability::Cached)?;
    Ok(())
}
