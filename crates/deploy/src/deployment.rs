//! One deployment, as it is found on disk.

use ostler_format::origin::{OriginError, Source, Unlocked};
use ostler_format::{BootEntry, Checksum, KernelArgs, Origin, Refspec};

use crate::layout::{self, DeploymentId};

/// A deployment that is finished at shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staged {
    /// Whether it waits for a person's word.
    pub locked: bool,
}

/// A checked-out commit with its `/etc`, its boot entry and its origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// Its name.
    pub id: DeploymentId,
    /// The checksum of kernel, initramfs and device trees.
    pub bootcsum: Checksum,
    /// Tells apart deployments with the same [`Deployment::bootcsum`]; a staged one has none yet and says 0.
    pub bootserial: u32,
    /// Its boot entry; one that was never published has nothing but options.
    pub entry: BootEntry,
    /// The file name of its boot entry, if it was published.
    pub entry_name: Option<String>,
    /// Initrds that are added to its own, by their checksum.
    pub overlay_initrds: Vec<Checksum>,
    /// Where it came from; `None` if no file says it.
    pub origin: Option<Origin>,
    /// Whether its `/usr` is writable, and for how long.
    pub unlocked: Unlocked,
    /// Whether the running system was booted from it.
    pub booted: bool,
    /// Whether it is finished only at shutdown.
    pub staged: Option<Staged>,
}

impl Deployment {
    /// Says whether it stays until it is unpinned.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        // A staged deployment cannot be pinned; the file was checked when it was read.
        self.staged.is_none()
            && self
                .origin
                .as_ref()
                .is_some_and(|origin| origin.is_pinned().unwrap_or(false))
    }

    /// Returns the kernel arguments that a person or an installer chose, without those that follow from the deployment's place.
    #[must_use]
    pub fn chosen_kargs(&self) -> KernelArgs {
        let mut kargs = self.entry.options.clone();
        kargs.delete_key("ostree");
        if self.entry.initrds.is_empty() {
            remove_prepare_root(&mut kargs);
        }
        kargs
    }

    /// Returns the keys of its boot entry that neither this program nor a boot loader knows: `x-...`.
    #[must_use]
    pub fn annotations(&self) -> Vec<(String, String)> {
        self.entry
            .other
            .iter()
            .filter(|(key, _)| key.starts_with("x-"))
            .cloned()
            .collect()
    }

    /// Returns the ref that upgrades of it follow.
    ///
    /// # Errors
    /// [`OriginError`] if the origin holds something else under that key.
    pub fn followed(&self) -> Result<Option<Refspec>, OriginError> {
        match &self.origin {
            Some(origin) => origin.refspec(),
            None => Ok(None),
        }
    }

    /// Returns the refspec that its origin follows, as text.
    ///
    /// # Errors
    /// [`OriginError`] if the origin holds something else under that key.
    pub fn refspec(&self) -> Result<Option<String>, OriginError> {
        let Some(origin) = &self.origin else {
            return Ok(None);
        };
        Ok(match origin.source()? {
            Some(Source::Refspec(refspec)) => Some(refspec.to_string()),
            Some(Source::BaseRefspec(text)) => Some(text),
            Some(Source::ContainerImage(_)) | None => None,
        })
    }
}

/// Removes the `init=` that boots a deployment without an initramfs.
pub(crate) fn remove_prepare_root(kargs: &mut KernelArgs) {
    let leads_here =
        |value: &str| value.starts_with("/ostree/boot.") && value.ends_with(layout::PREPARE_ROOT);
    if kargs.last_value("init").is_some_and(leads_here) {
        kargs.delete_key("init");
    }
}
