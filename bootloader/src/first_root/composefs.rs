//! The deployment's composefs image as a file system: an EROFS of names and metadata over the repository's objects.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::path::Path;

use ostler_format::{CHECKSUM_LEN, Checksum};
use ostler_fs::mount;
use ostler_fs::{Dir, FsError, Trusted, inode_flags, loop_device};

use super::FirstRootError;
use super::booted::Sealed;
use super::config::RootLayer;

/// Within a deployment: its image.
const IMAGE: &str = ".ostree.cfs";
/// Within the private directory: where the image is mounted until the layers are put together.
const LOWER: &str = "cfsroot-lower";
/// Within the private directory: the layer of a transient root.
const UPPER: &str = "root/upper";
const WORK: &str = "root/work";

/// What is to be mounted, and how.
pub(super) struct Wish<'a> {
    pub(super) deployment: &'a Dir,
    /// The directory of the repository's objects.
    pub(super) objects: &'a Path,
    /// A directory in memory that nobody else can enter.
    pub(super) private: &'a Dir,
    pub(super) private_path: &'a Path,
    pub(super) root_layer: RootLayer,
    pub(super) sealed: Sealed,
    /// The digest that the image must have.
    pub(super) digest: Option<[u8; CHECKSUM_LEN]>,
}

/// Mounts it at `target`; false if the deployment has no image.
pub(super) fn mount_image(wish: &Wish<'_>, target: &Path) -> Result<bool, FirstRootError> {
    let Some((image, _)) = wish.deployment.open_regular_optional(IMAGE)? else {
        return Ok(false);
    };
    if let Some(expected) = wish.digest {
        check_digest(wish, &image, expected)?;
    }
    wish.private.ensure_dir(LOWER, 0o700)?;
    let lower = wish.private_path.join(LOWER);
    mount_erofs(&image, &lower)?;
    let mounted = mount_layers(wish, &lower, target);
    // The layers keep it; its names must not be seen without them.
    mount::unmount(&lower)?;
    mounted.map(|()| true)
}

fn check_digest(
    wish: &Wish<'_>,
    image: &File,
    expected: [u8; CHECKSUM_LEN],
) -> Result<(), FirstRootError> {
    let path = wish.deployment.shown_path().join(IMAGE);
    match inode_flags::measure_verity(image)? {
        None => Err(FirstRootError::NotSealed(path)),
        Some(found) if found != expected => Err(FirstRootError::WrongImage {
            path,
            expected: Checksum::new(expected).to_string(),
            found: Checksum::new(found).to_string(),
        }),
        Some(_) => Ok(()),
    }
}

/// Mounts the image itself; kernels before 6.12 take only a block device.
fn mount_erofs(image: &File, target: &Path) -> Result<(), FsError> {
    let source = format!("/proc/self/fd/{}", image.as_raw_fd());
    match mount::mount_read_only("erofs", &source, target, "") {
        Err(error) if is_block_device_required(&error) => {}
        result => return result,
    }
    // It goes away with the mount.
    let device = loop_device::attach_read_only(image)?;
    mount::mount_read_only("erofs", device.path(), target, "")
}

fn is_block_device_required(error: &FsError) -> bool {
    const ENOTBLK: i32 = 15;
    error.raw_os_error() == Some(ENOTBLK)
}

fn mount_layers(wish: &Wish<'_>, lower: &Path, target: &Path) -> Result<(), FirstRootError> {
    let mut options = String::from("metacopy=on,redirect_dir=on");
    if wish.sealed == Sealed::Yes {
        options.push_str(",verity=require");
    }
    let is_transient = wish.root_layer != RootLayer::None;
    if is_transient {
        wish.private.create_dir_all(Trusted(UPPER), 0o755)?;
        wish.private.create_dir_all(Trusted(WORK), 0o700)?;
        let [upper, work] = [UPPER, WORK].map(|name| wish.private_path.join(name));
        let layer = format!(",upperdir={},workdir={}", upper.display(), work.display());
        options.push_str(&layer);
    }
    // Objects are for data alone (6.5); before, they are a layer as others, whose names the image hides.
    let separators: &[&str] = match wish.sealed {
        Sealed::Yes => &["::"],
        Sealed::No => &["::", ":"],
    };
    let (lower, objects) = (lower.display(), wish.objects.display());
    let mut result = Ok(());
    for separator in separators {
        let options = format!("{options},lowerdir={lower}{separator}{objects}");
        result = match is_transient {
            true => mount::mount("overlay", "composefs", target, &options),
            false => mount::mount_read_only("overlay", "composefs", target, &options),
        };
        match &result {
            Err(error) if error.kind() == ErrorKind::InvalidInput => {}
            _ => break,
        }
    }
    result.map_err(|error| match wish.sealed {
        Sealed::Yes if error.kind() == ErrorKind::InvalidInput => FirstRootError::OldKernel(error),
        _ => error.into(),
    })
}
