//! `install to-disk`: from a repository to a bootable disk.

use std::path::PathBuf;

use anyhow::Context as _;
use ostler_deploy::install::{self, Disk, DiskPlan, FileSystem, Filled, Loader, MadeDisk, Wipe};
use ostler_store::amount::parse_amount;
use serde_json::{Value, json};

use super::system::SystemOptions;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Verb};
use crate::progress::ProgressOptions;

/// Options of `install to-disk`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ToDisk {
    #[command(flatten)]
    system: SystemOptions,
    #[command(flatten)]
    progress: ProgressOptions,
    /// Size of an image (default 10G, most of which takes no room); K, M, G and T are powers of 1024
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "The disk")]
    size: Option<u64>,
    /// File system of the root: ext4, xfs or btrfs
    #[arg(
        long,
        value_name = "TYPE",
        default_value = "ext4",
        help_heading = "The disk"
    )]
    filesystem: FileSystem,
    /// Boot loader: grub2 for BIOS and UEFI, as far as the tree or this machine has its modules; none; auto is grub2
    #[arg(
        long,
        value_name = "NAME",
        default_value = "auto",
        help_heading = "The disk"
    )]
    bootloader: Loader,
    /// Size of the EFI system partition
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "256M", help_heading = "The disk")]
    esp_size: u64,
    /// Make /boot a partition of its own, ext4, of this size
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "The disk")]
    boot_size: Option<u64>,
    /// Replace an image, or overwrite a device, that is not empty
    #[arg(long, help_heading = "The disk")]
    wipe: bool,
    /// Only tell what would be made
    #[arg(long)]
    dry_run: bool,
    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
    /// Image file, or block device
    #[arg(value_name = "IMAGE|DEVICE", required = true)]
    path: PathBuf,
}

fn size(text: &str) -> Result<u64, String> {
    parse_amount(text).ok_or_else(|| format!("`{text}` is no size: 512M, 10G"))
}

impl Verb for ToDisk {
    const NAME: &'static str = "to-disk";
    const ABOUT: &'static str =
        "Make a bootable disk image, or write a disk, with a first deployment";
    const OPERANDS: &'static str = "IMAGE|DEVICE";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "install to-disk --source=repo --ref=os/stable disk.img",
            says: "an image of a tree in a local repository, which QEMU boots by BIOS or UEFI: qemu-system-x86_64 -m 2G -drive file=disk.img,format=raw",
        },
        Example {
            call: "install to-disk --source=repo --ref=os/stable --remote-url=https://h/repo --gpg-import=os.asc --karg=console=ttyS0 disk.img",
            says: "one that gets its updates from a server, signed, and has a serial console",
        },
        Example {
            call: "install to-disk --source=https://h/repo --ref=os/stable --gpg-import=os.asc --filesystem=xfs --wipe /dev/sdb",
            says: "a disk; all that was on it is lost",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.show_progress(&self.progress)?;
        let system = self.system.system(context)?;
        let disk = Disk {
            path: self.path.clone(),
            bytes: self.size,
            esp_bytes: self.esp_size,
            boot_bytes: self.boot_size,
            file_system: self.filesystem,
            loader: self.bootloader,
            wipe: match self.wipe {
                true => Wipe::Everything,
                false => Wipe::Refuse,
            },
        };
        let plan = install::plan_disk(&disk)?;
        if self.dry_run {
            self.tell_plan(context, &plan)?;
            return Ok(Exit::Done);
        }
        let sink = context.sink();
        let made = install::to_disk(&disk, &system, &plan, &*sink)?;
        drop(sink);
        for warning in &made.warnings {
            context.printer.warning(warning);
        }
        self.tell_made(context, &plan, &made)?;
        Ok(Exit::Done)
    }
}

impl ToDisk {
    fn tell_plan(&self, context: &Context, plan: &DiskPlan) -> anyhow::Result<()> {
        let partitions: Vec<Value> = plan
            .partitions
            .iter()
            .map(|partition| {
                json!({
                    "label": partition.role.label(),
                    "type": partition.role.type_guid(),
                    "offset": partition.first_byte,
                    "bytes": partition.bytes,
                })
            })
            .collect();
        let mounted = plan.filled == Filled::Mounted;
        if self.json {
            let value = json!({
                "disk": self.path.display().to_string(),
                "device": plan.is_device(),
                "bytes": plan.bytes,
                "filesystem": self.filesystem.as_str(),
                "bootloader": self.bootloader.as_str(),
                "loop-devices": mounted,
                "partitions": partitions,
            });
            return context
                .printer
                .line(serde_json::to_string_pretty(&value)?)
                .context("printing");
        }
        for partition in &plan.partitions {
            let (mib, at) = (partition.bytes >> 20, partition.first_byte >> 20);
            let label = partition.role.label();
            context
                .printer
                .line(format_args!("{label:<11} {mib:>8} MiB at {at} MiB"))?;
        }
        let way = match mounted {
            true => "mounted from a loop device while it is filled",
            false => "made without loop devices",
        };
        let kind = self.filesystem.as_str();
        context
            .printer
            .line(format_args!("the root is {kind}, {way}"))?;
        Ok(())
    }

    fn tell_made(&self, context: &Context, plan: &DiskPlan, made: &MadeDisk) -> anyhow::Result<()> {
        if !self.json {
            let firmware = match made.firmware.is_empty() {
                true => "no firmware by itself".to_owned(),
                false => made.firmware.join(" and "),
            };
            context.printer.line(format_args!(
                "{}: {} ({}), boots by {firmware}",
                self.path.display(),
                made.refspec,
                made.deployment
            ))?;
            return Ok(());
        }
        let partitions: Vec<Value> = made
            .partitions
            .iter()
            .map(|made| {
                json!({
                    "label": made.partition.role.label(),
                    "type": made.partition.role.type_guid(),
                    "uuid": made.uuid,
                    "offset": made.partition.first_byte,
                    "bytes": made.partition.bytes,
                    "filesystem": made.file_system.as_ref().map(|(kind, _)| kind),
                    "filesystem-uuid": made.file_system.as_ref().map(|(_, uuid)| uuid),
                })
            })
            .collect();
        let value = json!({
            "disk": self.path.display().to_string(),
            "device": plan.is_device(),
            "bytes": plan.bytes,
            "uuid": made.uuid,
            "partitions": partitions,
            "bootloader": self.bootloader.as_str(),
            "firmware": made.firmware,
            "refspec": made.refspec,
            "deployment": made.deployment,
            "kargs": made.kargs,
        });
        context
            .printer
            .line(serde_json::to_string_pretty(&value)?)?;
        Ok(())
    }
}
