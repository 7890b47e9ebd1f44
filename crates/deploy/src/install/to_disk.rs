//! From a repository to a bootable disk.

use std::path::PathBuf;

use ostler_bootloader::grub_disk::ImageError;
use ostler_fs::{Dir, FsError, disk, mount};
use ostler_store::progress::{Event, Sink};

use super::file_systems::{FileSystemError, Filled, Image, Mounted};
use super::loader::{self, Installed, Installing, Loader, LoaderError};
use super::output::{Output, OutputError, Target, Wipe};
use super::partitions::{self, FileSystem, Partition, Role, Sizes, SizesError};
use super::programs::{self, ProgramError};
use super::system::{self, Made, Place, System, SystemError};
use super::table::{self, Table};
use super::uuid;
use crate::layout;
use crate::settings::Settings;

const ROOT: &str = "root";
const ESP: &str = "esp";
const BOOT: &str = "boot";
/// What an image that is to grow by itself has.
const DEFAULT_BYTES: u64 = 10 << 30;

/// The disk that is to be.
#[derive(Clone, Debug)]
pub struct Disk {
    /// An image file, or a block device.
    pub path: PathBuf,
    /// Bytes of an image (default 10 GiB); a device has its own.
    pub bytes: Option<u64>,
    /// Bytes of the EFI system partition.
    pub esp_bytes: u64,
    /// Bytes of a `/boot` of its own, if there is to be one.
    pub boot_bytes: Option<u64>,
    /// The file system of the root.
    pub file_system: FileSystem,
    /// The boot loader.
    pub loader: Loader,
    /// Whether what is there may be lost.
    pub wipe: Wipe,
}

/// What will be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskPlan {
    target: Target,
    /// The disk's size.
    pub bytes: u64,
    /// In order.
    pub partitions: Vec<Partition>,
    /// How the root gets its content.
    pub filled: Filled,
}

/// No disk was made.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// Image or device.
    #[error("{0}")]
    Output(#[from] OutputError),
    /// The partitions.
    #[error("{0}")]
    Sizes(#[from] SizesError),
    /// A file system.
    #[error("{0}")]
    FileSystem(#[from] FileSystemError),
    /// A program.
    #[error("{0}")]
    Program(#[from] ProgramError),
    /// The system.
    #[error("{0}")]
    System(#[from] Box<SystemError>),
    /// The boot loader.
    #[error("{0}")]
    Loader(#[from] LoaderError),
    /// Files of a system are root's.
    #[error("only root can give files the owners that they have in the tree")]
    NotRoot,
}

impl DiskError {
    /// Returns what a person can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Program(error) | Self::FileSystem(FileSystemError::Program(error)) => error.hint(),
            Self::Output(OutputError::NotEmpty { .. }) => {
                Some("with --wipe all that is there is lost".to_owned())
            }
            Self::Loader(LoaderError::NoModules) => Some(
                "install GRUB's modules in the tree or here (in Debian grub-pc-bin and grub-efi-amd64-bin), or pass --bootloader=none".to_owned(),
            ),
            Self::Loader(LoaderError::Image(ImageError::NoProgram)) => {
                Some("install the package that has it, in Debian `grub-common`".to_owned())
            }
            Self::NotRoot => Some("run it as root, or with `unshare --map-auto --map-root-user`".to_owned()),
            _ => None,
        }
    }
}

/// A disk as it was made.
#[derive(Clone, Debug)]
pub struct MadeDisk {
    /// The disk's identifier.
    pub uuid: String,
    /// Its partitions.
    pub partitions: Vec<MadePartition>,
    /// Which firmware boots it: `bios`, `uefi`.
    pub firmware: Vec<&'static str>,
    /// The deployment's name, `<commit>.<serial>`.
    pub deployment: String,
    /// What updates follow.
    pub refspec: String,
    /// The kernel arguments.
    pub kargs: String,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// A partition as it was made.
#[derive(Clone, Debug)]
pub struct MadePartition {
    /// What it is for, and where it is.
    pub partition: Partition,
    /// Its identifier.
    pub uuid: String,
    /// Type and identifier of its file system.
    pub file_system: Option<(&'static str, String)>,
}

/// Says what will be made, and changes nothing.
///
/// # Errors
/// [`DiskError`] of what can be known before.
pub fn plan_disk(disk: &Disk) -> Result<DiskPlan, DiskError> {
    let target = Target::of(&disk.path, disk.wipe)?;
    let bytes = match (&target, disk.bytes) {
        (Target::Image, given) => given.unwrap_or(DEFAULT_BYTES),
        (Target::Device { bytes }, None) => *bytes,
        (&Target::Device { bytes }, Some(_)) => {
            let path = disk.path.clone();
            return Err(OutputError::FixedSize { path, bytes }.into());
        }
    };
    // A table's numbers are of whole sectors.
    let bytes = bytes / partitions::SECTOR_BYTES * partitions::SECTOR_BYTES;
    let partitions = partitions::plan(&Sizes {
        disk: bytes,
        esp: disk.esp_bytes,
        boot: disk.boot_bytes,
    })?;
    let filled = Filled::of(disk.file_system);
    let mut needed = vec!["mkfs.vfat", "mcopy"];
    needed.push(match disk.file_system {
        FileSystem::Ext4 => "mkfs.ext4",
        FileSystem::Xfs => "mkfs.xfs",
        FileSystem::Btrfs => "mkfs.btrfs",
    });
    match filled {
        Filled::FromDirectory => needed.push("debugfs"),
        Filled::Mounted if disk.boot_bytes.is_some() => needed.push("mkfs.ext4"),
        Filled::Mounted => {}
    }
    for program in needed {
        programs::find(program)?;
    }
    Ok(DiskPlan {
        target,
        bytes,
        partitions,
        filled,
    })
}

/// Makes a disk with one deployment.
///
/// A process that is killed leaves no image, and a device without a partition table. Call it before the process starts other threads: the mounts that
/// some file systems need are this thread's own.
///
/// # Errors
/// [`DiskError`]; an image that was there before stays as it was.
pub fn to_disk(
    disk: &Disk,
    system: &System,
    plan: &DiskPlan,
    sink: &dyn Sink,
) -> Result<MadeDisk, DiskError> {
    if ostler_fs::effective_user() != 0 {
        return Err(DiskError::NotRoot);
    }
    let output = Output::begin(&disk.path, &plan.target, plan.bytes)?;
    let work = Work {
        disk,
        system,
        plan,
        sink,
        parts: output.parts(),
        path: output.parts().shown_path(),
        identities: identities(plan, disk)?,
    };
    let (made, installed, images) = work.build()?;
    sink.event(Event::Notice("putting the disk together".into()));
    work.assemble(&output, &images, &installed)?;
    let disk_uuid = uuid::random()?;
    let entries: Vec<_> = work
        .identities
        .iter()
        .map(|identity| table::Entry {
            partition: &identity.partition,
            uuid: &identity.uuid,
        })
        .collect();
    ostler_fs::file::sync(output.file())?;
    let table = Table {
        bytes: plan.bytes,
        uuid: &disk_uuid,
        entries: &entries,
        boot_code: installed.bios.as_ref().map(|bios| &bios.boot_code),
    };
    table.write(output.file())?;
    let partitions = work.identities.clone();
    drop(images);
    output.finish()?;
    Ok(MadeDisk {
        uuid: disk_uuid,
        partitions,
        firmware: installed.firmware,
        deployment: made.id.name(),
        refspec: made.refspec,
        kargs: made.kargs.to_string(),
        warnings: made.warnings,
    })
}

fn identities(plan: &DiskPlan, disk: &Disk) -> Result<Vec<MadePartition>, FsError> {
    let identity = |partition: &Partition| {
        let id = uuid::random()?;
        let file_system = match partition.role {
            Role::BiosBoot => None,
            Role::Esp => Some(("vfat", uuid::fat_uuid(&uuid::fat_id(&id)))),
            Role::Boot => Some((FileSystem::Ext4.as_str(), id)),
            Role::Root => Some((disk.file_system.as_str(), id)),
        };
        Ok(MadePartition {
            partition: partition.clone(),
            uuid: uuid::random()?,
            file_system,
        })
    };
    plan.partitions.iter().map(identity).collect()
}

/// A file system and the partition that it goes to.
type Images = Vec<(Role, Image)>;

/// What all steps know.
struct Work<'a> {
    disk: &'a Disk,
    system: &'a System,
    plan: &'a DiskPlan,
    sink: &'a dyn Sink,
    parts: &'a Dir,
    path: PathBuf,
    identities: Vec<MadePartition>,
}

impl Work<'_> {
    fn identity(&self, role: Role) -> Option<&MadePartition> {
        let mut all = self.identities.iter();
        all.find(|identity| identity.partition.role == role)
    }

    fn file_system_uuid(&self, role: Role) -> &str {
        let identity = self.identity(role);
        let file_system = identity.and_then(|identity| identity.file_system.as_ref());
        file_system.map_or("", |(_, uuid)| uuid)
    }

    fn bytes(&self, role: Role) -> u64 {
        self.identity(role)
            .map_or(0, |identity| identity.partition.bytes)
    }

    fn tell(&self, what: impl Into<String>) {
        self.sink.event(Event::Notice(what.into()));
    }

    /// Makes all file systems.
    fn build(&self) -> Result<(Made, Installed, Images), DiskError> {
        for name in [ROOT, ESP] {
            self.parts.create_dir(name, 0o755)?;
        }
        let (made, installed, mut images) = match self.plan.filled {
            Filled::FromDirectory => self.build_from_directory()?,
            Filled::Mounted => self.build_mounted()?,
        };
        let esp = Image::new(self.parts, "esp.img", self.bytes(Role::Esp))?;
        let id = self.file_system_uuid(Role::Esp).replace('-', "");
        esp.make_fat(Role::Esp, &id, &self.path.join(ESP))?;
        images.push((Role::Esp, esp));
        Ok((made, installed, images))
    }

    fn build_from_directory(&self) -> Result<(Made, Installed, Images), DiskError> {
        // The directory is no system that anybody boots.
        let settings = Settings {
            mutable_deployments: true,
            ..self.settings()
        };
        let (made, installed) = self.install(settings)?;
        let mut images = Vec::new();
        if self.plan.has(Role::Boot) {
            let root = self.parts.open_dir(ROOT)?;
            root.rename(layout::BOOT, self.parts, BOOT)?;
            root.create_dir(layout::BOOT, 0o755)?;
            images.push(self.make(Role::Boot, FileSystem::Ext4, Some(BOOT))?);
        }
        let (role, root) = self.make(Role::Root, self.disk.file_system, Some(ROOT))?;
        let deployment = format!("{}/{}", layout::OSTREE, made.id.path());
        root.set_immutable(self.parts, &deployment)?;
        images.push((role, root));
        Ok((made, installed, images))
    }

    fn build_mounted(&self) -> Result<(Made, Installed, Images), DiskError> {
        mount::enter_private_namespace()?;
        let at = self.path.join(ROOT);
        let mut images = vec![self.make(Role::Root, self.disk.file_system, None)?];
        let kind = self.disk.file_system.as_str();
        let mut mounts: Vec<Mounted> = vec![images[0].1.mount(kind, &at)?];
        if self.plan.has(Role::Boot) {
            Dir::open_ambient(&at)?.ensure_dir(layout::BOOT, 0o755)?;
            images.push(self.make(Role::Boot, FileSystem::Ext4, None)?);
            mounts.push(images[1].1.mount("ext4", &at.join(layout::BOOT))?);
        }
        let (made, installed) = self.install(self.settings())?;
        for mounted in mounts.into_iter().rev() {
            mounted.finish()?;
        }
        Ok((made, installed, images))
    }

    fn settings(&self) -> Settings {
        Settings {
            skip_sync: true,
            ..Settings::default()
        }
    }

    fn make(
        &self,
        role: Role,
        kind: FileSystem,
        content: Option<&str>,
    ) -> Result<(Role, Image), DiskError> {
        self.tell(format!("making the {kind} of {}", role.label()));
        let image = Image::new(
            self.parts,
            &format!("{}.img", role.label()),
            self.bytes(role),
        )?;
        let content = content.map(|name| self.path.join(name));
        image.make(kind, role, self.file_system_uuid(role), content.as_deref())?;
        Ok((role, image))
    }

    /// Makes the system and what starts it.
    fn install(&self, settings: Settings) -> Result<(Made, Installed), DiskError> {
        let root = self.path.join(ROOT);
        // By its path: a handle from before the mount namespace was entered leads below what is mounted there.
        let boot = Dir::open_ambient(&root)?.create_dir_all(layout::BOOT, 0o755)?;
        loader::prepare(self.disk.loader, &boot, &self.system.kargs)?;
        boot.ensure_dir("efi", 0o755)?;
        let place = Place {
            root: &root,
            root_kargs: vec![
                format!("root=UUID={}", self.file_system_uuid(Role::Root)),
                "rw".into(),
            ],
            fstab: self.fstab(),
            bootloader: self.disk.loader.as_str(),
        };
        let made = system::install(self.system, &place, settings, self.sink).map_err(Box::new)?;
        self.tell("installing the boot loader");
        let tree = root.join(layout::OSTREE).join(made.id.path());
        let (boot_role, boot_prefix) = match self.plan.has(Role::Boot) {
            true => (Role::Boot, ""),
            false => (Role::Root, "/boot"),
        };
        let to = Installing {
            tree: &tree,
            boot_uuid: self.file_system_uuid(boot_role),
            boot_prefix,
            scratch: &self.path,
            bios_boot: self
                .identity(Role::BiosBoot)
                .map(|identity| &identity.partition),
            esp: Some(&self.path.join(ESP)),
        };
        let installed = loader::install(self.disk.loader, &to, self.sink)?;
        Ok((made, installed))
    }

    fn fstab(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.plan.has(Role::Boot) {
            let uuid = self.file_system_uuid(Role::Boot);
            lines.push(format!("UUID={uuid} /boot ext4 defaults 0 2"));
        }
        let uuid = self.file_system_uuid(Role::Esp);
        lines.push(format!("UUID={uuid} /boot/efi vfat umask=0077,nofail 0 2"));
        lines
    }

    /// Copies everything to its place.
    fn assemble(
        &self,
        output: &Output,
        images: &Images,
        installed: &Installed,
    ) -> Result<(), DiskError> {
        table::erase(output.file(), self.plan.bytes)?;
        for (role, image) in images {
            let Some(identity) = self.identity(*role) else {
                continue;
            };
            let (first, bytes) = (identity.partition.first_byte, identity.partition.bytes);
            output.clear(first..first + bytes)?;
            disk::copy_data_at(image.file(), output.file(), first)?;
        }
        if let (Some(bios), Some(identity)) = (&installed.bios, self.identity(Role::BiosBoot)) {
            disk::write_at(output.file(), &bios.core, identity.partition.first_byte)?;
        }
        Ok(())
    }
}

impl DiskPlan {
    fn has(&self, role: Role) -> bool {
        self.partitions
            .iter()
            .any(|partition| partition.role == role)
    }

    /// Whether it goes to a device.
    #[must_use]
    pub fn is_device(&self) -> bool {
        matches!(self.target, Target::Device { .. })
    }
}
