//! Kernel arguments of deployments: those that a new one starts with, and changes of present ones.
//!
//! | module | what it has |
//! |---|---|
//! | [`defaults`] | those that a tree brings along |
//! | [`sources`] | those that somebody owns |
//! | [`explain`](mod@explain) | where each comes from |

pub mod defaults;
pub mod explain;
pub mod sources;

use ostler_format::kargs::KargsError;
use ostler_format::{Karg, KernelArgs};

use crate::cleanup::{self, CleanupError};
use crate::deployment::Deployment;
use crate::lock::SysrootLock;
use crate::publish::{self, PublishError, Published};
use crate::staged;
use crate::sysroot::SysrootError;

use defaults::{Defaults, DefaultsError, carry_over};

/// Where the arguments of a new deployment come from, before they are changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Base {
    /// The deployment that it replaces.
    #[default]
    Inherited,
    /// None at all.
    Empty,
    /// The running kernel.
    RunningKernel,
    /// These.
    Given(KernelArgs),
}

/// The arguments that a new deployment gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KargsWish {
    /// What it starts with.
    pub base: Base,
    /// Each replaces those of the same name.
    pub set: Vec<String>,
    /// Each comes in addition, at the end.
    pub append: Vec<String>,
    /// Each goes away, if it is there.
    pub delete: Vec<String>,
    /// What is owned by whom from then on; others keep what they own.
    pub owned: Vec<(&'static str, KernelArgs)>,
}

/// What a new deployment inherits from the one that it continues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inherited {
    /// The arguments.
    pub kargs: KernelArgs,
    /// The defaults of its tree, which are among them unless somebody has removed them.
    pub defaults: Defaults,
    /// Arguments that somebody owns.
    pub owned: KernelArgs,
}

impl KargsWish {
    /// Returns the arguments of a deployment whose tree has these `defaults`. Given ones are final but for what is set, appended and deleted;
    /// all others follow the defaults.
    ///
    /// # Errors
    /// [`KargsError`] names the argument.
    pub fn apply(
        &self,
        inherited: &Inherited,
        running: &str,
        defaults: &Defaults,
    ) -> Result<KernelArgs, KargsError> {
        let (old, owned) = (&inherited.defaults, &inherited.owned);
        let mut kargs = match &self.base {
            Base::Inherited => inherited.kargs.clone(),
            Base::Empty => KernelArgs::new(),
            Base::RunningKernel => KernelArgs::parse(running).without_boot_loader_args(),
            Base::Given(kargs) => kargs.clone(),
        };
        match &self.base {
            Base::Inherited | Base::RunningKernel => carry_over(&mut kargs, old, defaults, owned),
            Base::Empty => carry_over(&mut kargs, &Defaults::default(), defaults, owned),
            Base::Given(_) => {}
        }
        for argument in &self.set {
            kargs.set(argument)?;
        }
        for argument in &self.append {
            kargs.append(Karg::new(argument)?.as_str());
        }
        for argument in &self.delete {
            kargs.delete_if_present(argument)?;
        }
        Ok(kargs)
    }
}

/// Kernel arguments could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum KargsChangeError {
    /// The system root.
    #[error("{0}")]
    Sysroot(#[from] SysrootError),
    /// An argument.
    #[error("{0}")]
    Kargs(#[from] KargsError),
    /// The arguments that the tree brings along.
    #[error("{0}")]
    Defaults(#[from] DefaultsError),
    /// The boot order.
    #[error("{0}")]
    Publish(#[from] PublishError),
    /// What it replaced.
    #[error("performing cleanup: {0}")]
    Cleanup(#[from] CleanupError),
    /// There is no deployment to change.
    #[error("unable to find a deployment in the system root")]
    NoDeployment,
    /// A staged deployment has no boot entry yet.
    #[error("deployment `{deployment}` is staged: it gets its kernel arguments at shutdown")]
    Staged {
        /// Its name.
        deployment: String,
    },
}

/// Replaces the arguments of the default deployment by those that `wish` makes of them, in a new boot order. What does not begin with its
/// present ones gets the defaults of its tree.
///
/// # Errors
/// [`KargsChangeError`]; the old boot order stays active then, unless only the cleanup failed.
pub fn set_default_kargs(
    lock: &mut SysrootLock,
    wish: &KargsWish,
) -> Result<Option<Published>, KargsChangeError> {
    let mut next = lock.deployments.clone();
    let first = next.first_mut().ok_or(KargsChangeError::NoDeployment)?;
    require_published(first)?;
    let root = lock
        .open_deployment(&first.id)
        .map_err(SysrootError::from)?;
    let defaults = Defaults::of_deployment(&root)?;
    let inherited = Inherited {
        kargs: first.entry.options.clone(),
        owned: sources::all_owned(first),
        defaults: match wish.base {
            Base::RunningKernel => Defaults::default(),
            _ => defaults.clone(),
        },
    };
    let running = &lock.host.kernel_command_line;
    first.entry.options = wish.apply(&inherited, running, &defaults)?;
    let published = publish::publish(lock, &next)?;
    cleanup::leftovers(lock)?;
    Ok(published)
}

/// Adds arguments to every deployment that has none of the same name, in the active boot entries and the staged deployment's description.
///
/// Each entry is replaced in one step; a crash between two of them leaves the rest to a second run. On a FAT `/boot`, where a file can't be, all
/// of them become a new boot order.
///
/// # Errors
/// [`KargsChangeError`].
pub fn append_if_missing_in_place(
    lock: &mut SysrootLock,
    arguments: &[String],
) -> Result<(), KargsChangeError> {
    let arguments = arguments
        .iter()
        .map(|argument| Karg::new(argument))
        .collect::<Result<Vec<_>, _>>()?;
    let mut deployments = lock.deployments.clone();
    for deployment in &mut deployments {
        for argument in &arguments {
            deployment
                .entry
                .options
                .append_if_key_missing(argument.as_str());
        }
        if deployment.staged.is_some() {
            staged::rewrite_kargs(lock, &deployment.entry.options)?;
        }
    }
    publish::rewrite_entries(lock, &deployments)?;
    lock.sysroot_mut().reload()?;
    Ok(())
}

fn require_published(deployment: &Deployment) -> Result<(), KargsChangeError> {
    match deployment.staged {
        None => Ok(()),
        Some(_) => Err(KargsChangeError::Staged {
            deployment: deployment.id.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_changes_what_is_inherited_or_starts_anew() {
        let inherited = Inherited {
            kargs: KernelArgs::parse("root=a quiet ostree=/x console=1 console=2"),
            ..Inherited::default()
        };
        let none = Defaults::default();
        let wish = KargsWish {
            set: vec!["root=b".to_owned()],
            append: vec!["console=3".to_owned()],
            delete: vec!["quiet".to_owned(), "absent".to_owned()],
            ..KargsWish::default()
        };
        let kargs = wish.apply(&inherited, "", &none).unwrap().to_string();
        assert_eq!(kargs, "root=b ostree=/x console=1 console=2 console=3");
        let empty = KargsWish {
            base: Base::Empty,
            ..wish.clone()
        };
        assert_eq!(
            empty.apply(&inherited, "", &none).unwrap().to_string(),
            "root=b console=3"
        );
        let running = KargsWish {
            base: Base::RunningKernel,
            ..KargsWish::default()
        };
        let line = "BOOT_IMAGE=/vmlinuz root=r ostree=/ostree/boot.0/os/x/0 initrd=/i rw\n";
        assert_eq!(
            running
                .apply(&Inherited::default(), line, &none)
                .unwrap()
                .to_string(),
            "root=r rw"
        );
    }

    #[test]
    fn an_argument_that_is_two_is_refused() {
        let wish = KargsWish {
            append: vec!["a b".to_owned()],
            ..KargsWish::default()
        };
        assert!(matches!(
            wish.apply(&Inherited::default(), "", &Defaults::default()),
            Err(KargsError::NotOne { .. })
        ));
    }
}
