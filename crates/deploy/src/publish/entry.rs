//! The boot entry of a deployment, as a pure function.

use ostler_format::bls::Tries;
use ostler_format::kargs::KargsError;
use ostler_format::{BootEntry, Bootlink, EntryName, Turn};

use crate::deployment::Deployment;
use crate::kernel::{DeviceTrees, Kernel};
use crate::layout;

/// What an entry takes from the boot order and the system root, beside its deployment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The boot version that the entry belongs to.
    pub(super) boot_version: Turn,
    /// The same, where it is part of file names.
    pub(super) in_names: Option<Turn>,
    /// 0 boots next.
    pub(super) index: usize,
    /// How many deployments have an entry.
    pub(super) count: usize,
    /// Whether the deployments are of several stateroots, so that the title names this one's.
    pub(super) show_stateroot: bool,
    /// The name of the operating system.
    pub(super) pretty_name: &'a str,
    /// The version of the commit.
    pub(super) version: Option<&'a str>,
    /// What the boot loader's root sees `/boot` as: `/` or `/boot/`.
    pub(super) prefix: &'a str,
    /// Keys that all entries but the default's carry.
    pub(super) extra: &'a [(String, String)],
}

impl Place<'_> {
    /// The default deployment has the highest number.
    fn number(&self) -> usize {
        self.count - self.index
    }

    /// Returns the entry's file name.
    pub(super) fn file_name(
        &self,
        deployment: &Deployment,
        old_names: bool,
        tries: Option<Tries>,
    ) -> String {
        let number = u32::try_from(self.number()).unwrap_or(u32::MAX);
        let name = match old_names && self.in_names.is_none() {
            true => EntryName::old(number, deployment.id.stateroot.clone()),
            false => EntryName {
                tries,
                boot_version: self.in_names,
                ..EntryName::new(number)
            },
        };
        name.to_string()
    }

    fn title(&self, deployment: &Deployment) -> String {
        let mut title = self.pretty_name.to_owned();
        if let Some(version) = self
            .version
            .filter(|version| !version.is_empty() && !title.contains(version))
        {
            title.push(' ');
            title.push_str(version);
        }
        // Boot loader backends look for "(ostree".
        title.push_str(" (ostree:");
        if self.show_stateroot {
            title.push_str(deployment.id.stateroot.as_str());
            title.push(':');
        }
        title.push_str(&self.index.to_string());
        title.push(')');
        title
    }
}

/// Returns the entry of a deployment at its place; keys that nobody here knows stay.
///
/// # Errors
/// [`KargsError`] if its own arguments can't be put in.
pub(super) fn entry(
    deployment: &Deployment,
    kernel: &Kernel,
    place: &Place<'_>,
) -> Result<BootEntry, KargsError> {
    let directory = layout::kernel_dir(&deployment.id.stateroot, &deployment.bootcsum);
    let directory = format!("{}{}/{directory}", place.prefix, layout::BOOT_KERNELS);
    let bootlink = Bootlink {
        boot_version: place.boot_version,
        stateroot: deployment.id.stateroot.clone(),
        bootcsum: deployment.bootcsum,
        bootserial: deployment.bootserial,
    };
    let mut entry = BootEntry {
        title: Some(place.title(deployment)),
        version: Some(place.number().to_string()),
        options: deployment.entry.options.clone(),
        linux: Some(format!("{directory}/{}", kernel.kernel.installed)),
        ..BootEntry::default()
    };
    entry.other = deployment.entry.other.clone();
    entry
        .other
        .retain(|(key, _)| !matches!(key.as_str(), "fdtdir" | "aboot"));
    match &kernel.initramfs {
        Some(initramfs) => {
            entry
                .initrds
                .push(format!("{directory}/{}", initramfs.installed));
            let overlays = format!("{}{}", place.prefix, layout::BOOT_OVERLAYS);
            let overlay = |checksum: &_| format!("{overlays}/{checksum}.img");
            entry
                .initrds
                .extend(deployment.overlay_initrds.iter().map(overlay));
            crate::deployment::remove_prepare_root(&mut entry.options);
        }
        None => entry
            .options
            .set(&format!("init={bootlink}{}", layout::PREPARE_ROOT))?,
    }
    match &kernel.device_trees {
        DeviceTrees::None => {}
        DeviceTrees::File(file) => {
            entry.devicetree = Some(format!("{directory}/{}", file.installed))
        }
        DeviceTrees::Directory(file) => {
            entry.other.push((
                "fdtdir".to_owned(),
                format!("{directory}/{}", file.installed),
            ));
        }
    }
    if let Some(aboot) = &kernel.aboot {
        entry.other.push((
            "aboot".to_owned(),
            format!("{directory}/{}", aboot.installed),
        ));
    }
    entry.options.set_ostree(&bootlink.to_string())?;
    if place.index > 0 {
        for (key, value) in place.extra {
            entry.other.retain(|(found, _)| found != key);
            entry.other.push((key.clone(), value.clone()));
        }
    }
    Ok(entry)
}
