//! From `ostree=` to the deployment's directory.

use ostler_format::bootlink::boot_link;
use ostler_format::{Bootlink, DeploymentName, KernelArgs, StaterootName};
use ostler_fs::{Dir, Trusted};

use super::FirstRootError;

const SLOT: &str = "androidboot.slot_suffix";

/// The deployment that is to be booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) stateroot: StaterootName,
    pub(super) name: DeploymentName,
}

impl Target {
    /// The deployment's directory, relative to the physical root.
    pub(super) fn path(&self) -> String {
        format!("ostree/deploy/{}/deploy/{}", self.stateroot, self.name)
    }

    /// The stateroot's `/var`, relative to the physical root.
    pub(super) fn var(&self) -> String {
        format!("ostree/deploy/{}/var", self.stateroot)
    }

    /// Follows the link that the kernel's command line names, beneath the physical root.
    pub(super) fn resolve(root: &Dir, kargs: &KernelArgs) -> Result<Self, FirstRootError> {
        let link = link_path(root, kargs)?;
        let target = root.read_link(Trusted(link.as_str()))?;
        let target = String::from_utf8_lossy(&target).into_owned();
        Self::parse(&target).ok_or_else(|| FirstRootError::NoDeployment {
            link,
            target: target
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect(),
        })
    }

    /// Parses what a link holds: `[../../../]deploy/STATEROOT/deploy/COMMIT.SERIAL`.
    fn parse(link: &str) -> Option<Self> {
        let link = link.strip_prefix("../../../").unwrap_or(link);
        let mut parts = link.trim_end_matches('/').split('/');
        let (first, stateroot, second, name) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if first != "deploy" || second != "deploy" || parts.next().is_some() {
            return None;
        }
        Some(Self {
            stateroot: StaterootName::new(stateroot).ok()?,
            name: DeploymentName::parse(name).ok()?,
        })
    }
}

/// The stateroot that `ostree=` names, without a look at any file; `None` if the kernel was not told to boot a deployment in that way.
pub(super) fn stateroot(kargs: &KernelArgs) -> Result<Option<StaterootName>, FirstRootError> {
    let bootlink = kargs.ostree().map(Bootlink::parse).transpose()?;
    Ok(bootlink.map(|bootlink| bootlink.stateroot))
}

/// The path of the link to the deployment, relative to the physical root, without symlinks before its last part.
fn link_path(root: &Dir, kargs: &KernelArgs) -> Result<String, FirstRootError> {
    match kargs.last_value(SLOT) {
        Some("_a") => return Ok("ostree/root.a".to_owned()),
        Some("_b") => return Ok("ostree/root.b".to_owned()),
        Some(other) => return Err(FirstRootError::Slot(other.to_owned())),
        // Android's loader without slots.
        None if kargs
            .iter()
            .any(|arg| arg.key().starts_with("androidboot.")) =>
        {
            return Ok("ostree/root.a".to_owned());
        }
        None => {}
    }
    let bootlink = Bootlink::parse(kargs.ostree().ok_or(FirstRootError::NoTarget)?)?;
    let boot = format!("ostree/{}", boot_link(bootlink.boot_version));
    let boot_dir = root.read_link(Trusted(boot.as_str()))?;
    let boot_dir = String::from_utf8_lossy(&boot_dir).into_owned();
    ostler_format::bootlink::parse_boot_dir(&boot_dir)?;
    Ok(format!("ostree/{boot_dir}/{}", bootlink.below_boot_dir()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const COMMIT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn physical_root() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let links = temp.path().join(format!("ostree/boot.1.0/os/{COMMIT}"));
        fs::create_dir_all(&links).unwrap();
        symlink("boot.1.0", temp.path().join("ostree/boot.1")).unwrap();
        let target = format!("../../../deploy/os/deploy/{COMMIT}.3");
        symlink(target, links.join("0")).unwrap();
        symlink("../../../../etc", links.join("1")).unwrap();
        symlink(
            format!("deploy/os/deploy/{COMMIT}.2"),
            temp.path().join("ostree/root.b"),
        )
        .unwrap();
        let root = Dir::open_ambient(temp.path()).unwrap();
        (temp, root)
    }

    fn resolve(root: &Dir, kargs: &str) -> Result<String, FirstRootError> {
        Target::resolve(root, &KernelArgs::parse(kargs)).map(|target| target.path())
    }

    #[test]
    fn the_bootlink_leads_to_the_deployment() {
        let (_temp, root) = physical_root();
        let kargs = format!("root=LABEL=x ostree=/ostree/boot.1/os/{COMMIT}/0 quiet");
        let path = format!("ostree/deploy/os/deploy/{COMMIT}.3");
        assert_eq!(resolve(&root, &kargs).unwrap(), path);
        let path = format!("ostree/deploy/os/deploy/{COMMIT}.2");
        assert_eq!(resolve(&root, "androidboot.slot_suffix=_b").unwrap(), path);
    }

    #[test]
    fn what_leads_elsewhere_is_refused_and_named() {
        let (_temp, root) = physical_root();
        let elsewhere = format!("ostree=/ostree/boot.1/os/{COMMIT}/1");
        for (kargs, said) in [
            ("quiet", "no `ostree=`"),
            ("ostree=/etc", "`/etc` is not a bootlink"),
            ("ostree=/ostree/boot.1/../../etc", "is not a bootlink"),
            (
                elsewhere.as_str(),
                "leads to `../../../../etc`, which is no deployment",
            ),
            ("androidboot.slot_suffix=_c", "must be _a or _b, not `_c`"),
            ("androidboot.mode=normal", "root.a"),
        ] {
            let error = resolve(&root, kargs).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
