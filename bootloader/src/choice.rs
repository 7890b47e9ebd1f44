//! Which boot loader a machine has.

use std::str::FromStr;

use ostler_fs::Dir;

use crate::backend::{Backend, BootloaderError};
use crate::{BlsOnly, Grub2, Syslinux, Uboot};

/// The value of `sysroot.bootloader` in a repository's config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// `auto`: what is found in `/boot`, in the order syslinux, grub2, uboot, else none.
    #[default]
    Auto,
    /// `none`: the boot loader reads the entries.
    None,
    /// `grub2`
    Grub2,
    /// `syslinux`
    Syslinux,
    /// `uboot`
    Uboot,
}

/// A value of `sysroot.bootloader` that can't be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`sysroot.bootloader` is `{found}`, not one of auto, none, grub2, syslinux and uboot")]
pub struct ChoiceError {
    /// The value.
    pub found: String,
}

impl FromStr for Choice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        Ok(match text {
            "auto" => Self::Auto,
            "none" => Self::None,
            "grub2" => Self::Grub2,
            "syslinux" => Self::Syslinux,
            "uboot" => Self::Uboot,
            _ => {
                return Err(ChoiceError {
                    found: text.to_owned(),
                });
            }
        })
    }
}

/// Returns the backend for a choice, looking into `/boot` if it is [`Choice::Auto`].
///
/// # Errors
/// [`BootloaderError::Fs`] if `/boot` can't be looked into.
pub fn select(choice: Choice, boot: &Dir) -> Result<Box<dyn Backend>, BootloaderError> {
    Ok(match choice {
        Choice::None => Box::new(BlsOnly),
        Choice::Grub2 => Box::new(Grub2::find(boot)?.unwrap_or_default()),
        Choice::Syslinux => Box::new(Syslinux),
        Choice::Uboot => Box::new(Uboot),
        Choice::Auto => {
            if Syslinux::is_active(boot)? {
                Box::new(Syslinux)
            } else if let Some(grub2) = Grub2::find(boot)? {
                Box::new(grub2)
            } else if Uboot::is_active(boot)? {
                Box::new(Uboot)
            } else {
                Box::new(BlsOnly)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_boot::TestBoot;

    fn found(build: impl FnOnce(&TestBoot)) -> &'static str {
        let boot = TestBoot::new();
        build(&boot);
        select(Choice::Auto, &boot.dir()).unwrap().name()
    }

    #[test]
    fn what_is_in_boot_decides_and_syslinux_comes_first() {
        assert_eq!(found(|_| ()), "none");
        assert_eq!(
            found(|boot| {
                boot.symlink("../loader/syslinux.cfg", "syslinux/syslinux.cfg");
                boot.symlink("../loader/grub.cfg", "grub2/grub.cfg");
                boot.symlink("loader/uEnv.txt", "uEnv.txt");
            }),
            "syslinux"
        );
        assert_eq!(
            found(|boot| {
                boot.write("syslinux/syslinux.cfg", "not managed: no link");
                boot.symlink("../loader/grub.cfg", "grub2/grub.cfg");
                boot.symlink("loader/uEnv.txt", "uEnv.txt");
            }),
            "grub2"
        );
        assert_eq!(found(|boot| boot.write("grub/grub.cfg", "")), "grub2");
        assert_eq!(
            found(|boot| boot.write("efi/EFI/debian/grub.cfg", "")),
            "grub2"
        );
        assert_eq!(
            found(|boot| boot.write("efi/EFI/BOOT/grub.cfg", "")),
            "none"
        );
        assert_eq!(
            found(|boot| boot.symlink("loader/uEnv.txt", "uEnv.txt")),
            "uboot"
        );
        assert_eq!(
            found(|boot| boot.write("uEnv.txt", "not managed: no link")),
            "none"
        );
    }

    #[test]
    fn grub_with_a_static_configuration_reads_the_entries_itself() {
        assert_eq!(
            found(|boot| {
                boot.write("grub2/grub.cfg", "");
                boot.write(
                    "bootupd-state.json",
                    r#"{"installed":{},"static-configs":{"a":1}}"#,
                );
            }),
            "none"
        );
        assert_eq!(
            found(|boot| boot.write("grub2/grub.cfg", "load_env\n  blscfg\n")),
            "none"
        );
    }

    #[test]
    fn a_choice_in_the_config_is_followed_and_an_unknown_one_named() {
        let boot = TestBoot::new();
        for name in ["none", "grub2", "syslinux", "uboot"] {
            let choice: Choice = name.parse().unwrap();
            assert_eq!(select(choice, &boot.dir()).unwrap().name(), name);
        }
        assert_eq!("auto".parse(), Ok(Choice::Auto));
        assert_eq!(
            "zipl".parse::<Choice>().unwrap_err().to_string(),
            "`sysroot.bootloader` is `zipl`, not one of auto, none, grub2, syslinux and uboot"
        );
    }
}
