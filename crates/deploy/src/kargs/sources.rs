//! Which kernel arguments somebody owns, by name: `x-options-source-NAME` in the boot entry, as bootc writes it for TuneD and others.
//!
//! The arguments themselves are among the entry's options; the key remembers whose they are, so that the owner can take back its own and nobody
//! else's. Such keys go from one deployment to the next.

use ostler_format::KernelArgs;

use crate::deployment::Deployment;

const PREFIX: &str = "x-options-source-";
/// The owner of what `apply` has added for the host file.
pub const HOST_FILE: &str = "ostler-host-file";

/// Keys of a boot entry that only others know, with their values.
pub type Annotations = Vec<(String, String)>;

/// Returns who owns which arguments of a deployment, in the order of its boot entry.
pub fn owned(deployment: &Deployment) -> impl Iterator<Item = (&str, KernelArgs)> {
    deployment.entry.other.iter().filter_map(|(key, value)| {
        let name = key.strip_prefix(PREFIX)?;
        Some((name, KernelArgs::parse(value)))
    })
}

/// Returns the arguments of a deployment that `name` owns.
#[must_use]
pub fn owned_by(deployment: &Deployment, name: &str) -> KernelArgs {
    let mut sources = owned(deployment);
    let found = sources.find(|(source, _)| *source == name);
    found.map(|(_, kargs)| kargs).unwrap_or_default()
}

/// Returns all arguments of a deployment that somebody owns.
#[must_use]
pub fn all_owned(deployment: &Deployment) -> KernelArgs {
    let mut all = KernelArgs::new();
    for (_, kargs) in owned(deployment) {
        all.append(&kargs.to_string());
    }
    all
}

/// Makes `kargs` what `name` owns; nothing at all leaves no key.
pub fn set_owned(annotations: &mut Annotations, name: &str, kargs: &KernelArgs) {
    let key = format!("{PREFIX}{name}");
    annotations.retain(|(other, _)| *other != key);
    if !kargs.is_empty() {
        annotations.push((key, kargs.to_string()));
    }
}
