//! GRUB 2, in one of three ways; the `grub.cfg` that is found in `/boot/grub2`, `/boot/grub` or `efi/EFI/VENDOR` tells which:
//!
//! | `grub.cfg` | what a deployment writes |
//! |---|---|
//! | a file that reads `/loader/grub-menu.cfg`: a [`StandingConfig`], or one by `grub-mkconfig` with our `15_ostler` | `loader.B/grub-menu.cfg`, the entries alone |
//! | a file with the command `blscfg` of Fedora's GRUB, or one that bootupd looks after | nothing: GRUB reads the entries |
//! | anything else, such as libostree's link to `../loader/grub.cfg` | all of `loader.B/grub.cfg`, or `efi/EFI/VENDOR/grub.cfg`: by the system's own `grub-mkconfig`, or a plain one where that can't run |
//!
//! The first two take effect with the swap of `/boot/loader`, on BIOS and EFI; so does the third through libostree's link.

mod menu;
mod standing;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ostler_format::bootlink::loader_dir;
use ostler_fs::{Dir, Durability};

use crate::backend::{Backend, BootloaderError, CONFIG_MAX_BYTES, NextBoot, TakesEffect, Written};
use crate::program;

use standing::{MENU, Role};

pub use menu::GrubMenu;
pub use standing::StandingConfig;

/// Programs that write `grub.cfg`, by the names that distributions give them.
const PROGRAMS: [&str; 2] = ["grub2-mkconfig", "grub-mkconfig"];
const PROGRAM_DIRS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/usr/local/sbin"];

/// Writes the entries for a `grub.cfg` that stays, or else the whole `grub.cfg`.
#[derive(Debug, Clone, Default)]
pub struct Grub2 {
    /// What is written.
    place: Place,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Place {
    /// `loader.B/grub.cfg`
    #[default]
    Loader,
    /// `loader.B/grub-menu.cfg`
    Menu,
    /// `grub.cfg` in this directory below `efi/EFI`.
    Vendor(OsString),
}

impl Place {
    /// `None` if GRUB reads the entries itself.
    fn of(role: Role, rewritten: Self) -> Option<Self> {
        match role {
            Role::Rewritten => Some(rewritten),
            Role::ReadsMenu => Some(Self::Menu),
            Role::ReadsEntries => None,
        }
    }
}

impl Grub2 {
    /// Looks for a `grub.cfg`; `None` if there is none, or it reads the entries itself.
    pub(crate) fn find(boot: &Dir) -> Result<Option<Self>, BootloaderError> {
        let state = boot.read_in_root_optional("bootupd-state.json", CONFIG_MAX_BYTES)?;
        let key = b"\"static-configs\"";
        if state.is_some_and(|state| state.windows(key.len()).any(|window| window == key)) {
            return Ok(None);
        }
        for name in ["grub2", "grub"] {
            if let Some(dir) = boot.open_dir_in_root_optional(name)?
                && let Some(role) = Role::find(&dir)?
            {
                return Ok(Place::of(role, Place::Loader).map(|place| Self { place }));
            }
        }
        let Some(efi) = boot.open_dir_in_root_optional("efi/EFI")? else {
            return Ok(None);
        };
        for vendor in efi.entries()?.iter() {
            if !vendor.file_type.is_dir() || vendor.name().eq_ignore_ascii_case(b"boot") {
                continue;
            }
            if let Some(role) = Role::find(&efi.open_dir(vendor.os_name())?)? {
                let rewritten = Place::Vendor(vendor.os_name().to_owned());
                return Ok(Place::of(role, rewritten).map(|place| Self { place }));
            }
        }
        Ok(None)
    }

    fn write_bios(&self, next: &NextBoot<'_>) -> Result<Written, BootloaderError> {
        let loader = loader_dir(next.boot_version);
        next.boot.ensure_dir(&loader, 0o755)?;
        let dir = next.boot.open_dir(&loader)?;
        // The directory is not in use yet, so that programs may write to the final name.
        self.fill(next, &dir, &next.boot_path.join(&loader), "grub.cfg")?;
        Ok(Written {
            path: Some(format!("{loader}/grub.cfg")),
            warnings: bios_warning(next.boot)?,
        })
    }

    fn write_efi(
        &self,
        next: &NextBoot<'_>,
        vendor: &OsString,
    ) -> Result<Written, BootloaderError> {
        let path = Path::new("efi/EFI").join(vendor);
        let dir = next.boot.open_dir_in_root("efi/EFI")?.open_dir(vendor)?;
        self.fill(next, &dir, &next.boot_path.join(&path), "grub.cfg.new")?;
        if let Some(metadata) = dir.metadata_optional("grub.cfg")?
            && metadata.is_file()
        {
            let old = dir.read("grub.cfg", CONFIG_MAX_BYTES)?;
            let mode = metadata.permissions();
            dir.write_atomic("grub.cfg.old", &old, mode, Durability::Synced)?;
        }
        dir.rename("grub.cfg.new", &dir, "grub.cfg")?;
        dir.sync()?;
        Ok(Written {
            path: Some(path.join("grub.cfg").to_string_lossy().into_owned()),
            warnings: Vec::new(),
        })
    }

    /// Makes `name` in `dir`, whole and synced.
    fn fill(
        &self,
        next: &NextBoot<'_>,
        dir: &Dir,
        dir_path: &Path,
        name: &str,
    ) -> Result<(), BootloaderError> {
        // Some programs append, and an interrupted run may have left a piece.
        dir.unlink_optional(name)?;
        match chosen_program(next) {
            Some(program) => {
                self.run(next, &program, &dir_path.join(name))?;
                let Some((file, metadata)) = dir.open_regular_optional(name)? else {
                    return Err(failed(program, "wrote no file".into(), &[]));
                };
                if metadata.size == 0 {
                    return Err(failed(program, "wrote an empty file".into(), &[]));
                }
                ostler_fs::file::sync(&file)?;
                dir.sync()?;
            }
            None => {
                let text = menu::plain_config(next.entries)?;
                dir.write_atomic(name, text.as_bytes(), 0o644, Durability::Synced)?;
            }
        }
        Ok(())
    }

    fn run(
        &self,
        next: &NextBoot<'_>,
        program: &Path,
        output: &Path,
    ) -> Result<(), BootloaderError> {
        let mut command = Command::new(program);
        command
            .arg("-o")
            .arg(output)
            .env("_OSTREE_GRUB2_BOOTVERSION", next.boot_version.to_string())
            .stdin(Stdio::null());
        if matches!(self.place, Place::Vendor(_)) {
            command.env("_OSTREE_GRUB2_IS_EFI", "1");
        }
        let result = command.output().map_err(|cause| BootloaderError::Run {
            program: program.to_owned(),
            cause,
        })?;
        match result.status.success() {
            true => Ok(()),
            false => Err(failed(
                program.to_owned(),
                format!("failed with {}", result.status),
                &result.stderr,
            )),
        }
    }
}

impl Backend for Grub2 {
    fn name(&self) -> &'static str {
        "grub2"
    }

    fn takes_effect(&self) -> TakesEffect {
        match self.place {
            Place::Vendor(_) => TakesEffect::AtOnce,
            Place::Loader | Place::Menu => TakesEffect::WithTheSwap,
        }
    }

    fn write(&self, next: &NextBoot<'_>) -> Result<Written, BootloaderError> {
        match &self.place {
            Place::Vendor(vendor) => self.write_efi(next, vendor),
            Place::Loader => self.write_bios(next),
            Place::Menu => {
                let text = menu::plain_menu(next.entries)?;
                let path = next.write_in_loader_dir(MENU, text.as_bytes())?;
                Ok(Written {
                    path: Some(path),
                    warnings: Vec::new(),
                })
            }
        }
    }
}

/// The program to run: the one that was named, else the system's own if it describes this machine.
fn chosen_program(next: &NextBoot<'_>) -> Option<PathBuf> {
    if next.grub_mkconfig.is_some() {
        return next.grub_mkconfig.clone();
    }
    if !next.booted {
        return None;
    }
    program::find(&PROGRAM_DIRS, &PROGRAMS)
}

/// Says if nothing leads from GRUB's own directory to what was written.
fn bios_warning(boot: &Dir) -> Result<Vec<String>, BootloaderError> {
    let mut unlinked = Vec::new();
    for name in ["grub2", "grub"] {
        let Some(dir) = boot.open_dir_in_root_optional(name)? else {
            continue;
        };
        match dir.read_link_optional("grub.cfg")? {
            Some(_) => return Ok(Vec::new()),
            None if dir.exists("grub.cfg")? => unlinked.push(name),
            None => (),
        }
    }
    Ok(unlinked
        .into_iter()
        .map(|name| {
            format!("`/boot/{name}/grub.cfg` is not a link to `../loader/grub.cfg`, so that GRUB does not see new deployments")
        })
        .collect())
}

fn failed(program: PathBuf, outcome: String, stderr: &[u8]) -> BootloaderError {
    BootloaderError::Failed {
        program,
        outcome,
        stderr: program::last_words(stderr),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::test_boot::{TestBoot, entry};

    fn with_program(script: &str) -> TestBoot {
        let mut boot = TestBoot::new();
        boot.write("generate", &format!("#!/bin/sh\n{script}\n"));
        let program = boot.path("generate");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        boot.grub_mkconfig = Some(program);
        boot
    }

    #[test]
    fn the_program_is_told_place_and_boot_version() {
        let boot = with_program(
            "echo \"$1 $_OSTREE_GRUB2_BOOTVERSION ${_OSTREE_GRUB2_IS_EFI:-bios}\" >> \"$2\"",
        );
        boot.symlink("../loader/grub.cfg", "grub2/grub.cfg");
        boot.write("loader.1/grub.cfg", "left by an interrupted run");
        let grub = Grub2::find(&boot.dir()).unwrap().unwrap();
        assert_eq!(grub.takes_effect(), TakesEffect::WithTheSwap);
        let written = boot.write_with(&grub, &[]).unwrap();
        assert_eq!(written.path.as_deref(), Some("loader.1/grub.cfg"));
        assert!(written.warnings.is_empty());
        assert_eq!(boot.read("loader.1/grub.cfg"), "-o 1 bios\n");
    }

    #[test]
    fn on_efi_the_old_configuration_is_kept_beside_the_new_one() {
        let boot =
            with_program("echo \"$1 $_OSTREE_GRUB2_BOOTVERSION $_OSTREE_GRUB2_IS_EFI\" > \"$2\"");
        boot.write("efi/EFI/debian/grub.cfg", "old");
        let grub = Grub2::find(&boot.dir()).unwrap().unwrap();
        assert_eq!(grub.takes_effect(), TakesEffect::AtOnce);
        let written = boot.write_with(&grub, &[]).unwrap();
        assert_eq!(written.path.as_deref(), Some("efi/EFI/debian/grub.cfg"));
        assert_eq!(boot.read("efi/EFI/debian/grub.cfg"), "-o 1 1\n");
        assert_eq!(boot.read("efi/EFI/debian/grub.cfg.old"), "old");
        assert!(!boot.exists("efi/EFI/debian/grub.cfg.new"));
    }

    #[test]
    fn a_program_that_fails_or_writes_nothing_leaves_the_configuration_in_use() {
        for (script, message) in [
            (
                "echo some > \"$2\"; echo no disk >&2; exit 3",
                "failed with exit status: 3: no disk",
            ),
            ("true", "wrote no file"),
            (": > \"$2\"", "wrote an empty file"),
        ] {
            let boot = with_program(script);
            boot.write("efi/EFI/debian/grub.cfg", "old");
            let grub = Grub2::find(&boot.dir()).unwrap().unwrap();
            let error = boot.write_with(&grub, &[]).unwrap_err().to_string();
            assert!(error.ends_with(message), "{error}");
            assert_eq!(boot.read("efi/EFI/debian/grub.cfg"), "old");
        }
    }

    #[test]
    fn a_configuration_that_reads_the_menu_stays_and_no_program_is_run() {
        let boot = with_program("exit 1");
        let standing = StandingConfig::default().to_string();
        boot.write("grub/grub.cfg", &standing);
        let grub = Grub2::find(&boot.dir()).unwrap().unwrap();
        assert_eq!(grub.takes_effect(), TakesEffect::WithTheSwap);
        let entries = [entry("title A\noptions quiet\nlinux /ostree/k\n")];
        let written = boot.write_with(&grub, &entries).unwrap();
        assert_eq!(written.path.as_deref(), Some("loader.1/grub-menu.cfg"));
        assert!(written.warnings.is_empty());
        let menu = boot.read("loader.1/grub-menu.cfg");
        assert!(menu.contains("\nlinux /boot/ostree/k quiet\n}\n"), "{menu}");
        assert_eq!(boot.read("grub/grub.cfg"), standing);
        assert!(!boot.exists("loader.1/grub.cfg"));
    }

    #[test]
    fn without_a_booted_system_a_plain_configuration_is_written() {
        let boot = TestBoot::new();
        boot.write("grub/grub.cfg", "of another system");
        let grub = Grub2::find(&boot.dir()).unwrap().unwrap();
        let entries = [entry(
            "title It's (ostree:0)\noptions quiet\nlinux /ostree/k\ninitrd /ostree/i\n",
        )];
        let written = boot.write_with(&grub, &entries).unwrap();
        let text = boot.read("loader.1/grub.cfg");
        assert!(text.contains("menuentry 'It'\\''s (ostree:0)'"), "{text}");
        assert!(
            text.contains("\nlinux /boot/ostree/k quiet\ninitrd /boot/ostree/i\n}\n"),
            "{text}"
        );
        assert_eq!(written.warnings.len(), 1, "nothing links to it");
        assert_eq!(boot.read("grub/grub.cfg"), "of another system");
    }
}
