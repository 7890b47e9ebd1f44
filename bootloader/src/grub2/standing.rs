//! A `grub.cfg` that is written once and reads what each deployment writes below `/boot/loader`.

use std::fmt;

use ostler_fs::{Dir, FsError};

use crate::backend::CONFIG_MAX_BYTES;

/// Within `loader.B`: the entries of a boot order, in GRUB's language.
pub(super) const MENU: &str = "grub-menu.cfg";

/// What a `grub.cfg` of a machine does for deployments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is written anew for each deployment.
    Rewritten,
    /// It stays, and reads [`MENU`].
    ReadsMenu,
    /// It stays, and reads the entries of the Boot Loader Specification by Fedora's command `blscfg`.
    ReadsEntries,
}

impl Role {
    /// Looks at the `grub.cfg` of a directory; `None` if there is none.
    pub(super) fn find(dir: &Dir) -> Result<Option<Self>, FsError> {
        let Some(metadata) = dir.metadata_optional("grub.cfg")? else {
            return Ok(None);
        };
        // A link leads to what deployments write, and a file that is larger than any is none of ours.
        if !metadata.is_file() || metadata.size > CONFIG_MAX_BYTES {
            return Ok(Some(Self::Rewritten));
        }
        let text = dir.read("grub.cfg", CONFIG_MAX_BYTES)?;
        Ok(Some(Self::of(&String::from_utf8_lossy(&text))))
    }

    fn of(text: &str) -> Self {
        let menu = format!("/loader/{MENU}");
        let mut commands = text.lines().map(str::split_whitespace);
        let is_source = |word: Option<&str>| matches!(word, Some("source" | "."));
        if commands
            .clone()
            .any(|mut words| is_source(words.next()) && words.any(|word| word.ends_with(&menu)))
        {
            Self::ReadsMenu
        } else if commands.any(|mut words| words.next() == Some("blscfg")) {
            Self::ReadsEntries
        } else {
            Self::Rewritten
        }
    }
}

/// The text of a `grub.cfg` that an installer writes once, for BIOS and for EFI, and that no deployment has to change.
///
/// It reads `/boot/loader/grub-menu.cfg`, which becomes that of a new boot order when the link `/boot/loader` is swapped. Written as
/// `/boot/grub/grub.cfg`, it is what makes deployments write that menu. Needs GRUB 2.02 and none of its programs at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingConfig {
    /// The UUID of the file system with `/boot`; `None` where GRUB has its root from its core image.
    pub boot_uuid: Option<String>,
    /// How long the menu is shown, in seconds.
    pub timeout_seconds: u32,
    /// Whether the menu is on the first serial port too.
    pub serial: bool,
}

impl Default for StandingConfig {
    fn default() -> Self {
        Self {
            boot_uuid: None,
            timeout_seconds: 5,
            serial: false,
        }
    }
}

impl fmt::Display for StandingConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "# Written once: deployments change /boot/loader/grub-menu.cfg, which this reads.\n",
        )?;
        f.write_str("if [ -s $prefix/grubenv ]; then\n  load_env\nfi\n")?;
        if self.serial {
            f.write_str("serial --unit=0 --speed=115200\n")?;
            f.write_str("terminal_input --append serial\nterminal_output --append serial\n")?;
        }
        f.write_str(
            "if [ \"${feature_all_video_module}\" = y ]; then\n  insmod all_video\nfi\nset gfxpayload=keep\n",
        )?;
        if let Some(uuid) = &self.boot_uuid {
            writeln!(f, "search --no-floppy --fs-uuid --set=root {uuid}")?;
        }
        writeln!(f, "set default=0\nset timeout={}", self.timeout_seconds)?;
        writeln!(
            f,
            "if [ -f /boot/loader/{MENU} ]; then\n  source /boot/loader/{MENU}"
        )?;
        writeln!(f, "else\n  source /loader/{MENU}\nfi")?;
        f.write_str("if [ -f $prefix/custom.cfg ]; then\n  source $prefix/custom.cfg\nfi\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_tells_by_its_commands_who_writes_what() {
        for (text, role) in [
            ("", Role::Rewritten),
            ("# see /loader/grub-menu.cfg and blscfg\n", Role::Rewritten),
            ("insmod blscfg\n", Role::Rewritten),
            ("if true; then\n  blscfg\nfi\n", Role::ReadsEntries),
            (
                "source /boot/loader/grub-menu.cfg\nblscfg\n",
                Role::ReadsMenu,
            ),
            ("\t. ($root)/@/boot/loader/grub-menu.cfg\n", Role::ReadsMenu),
        ] {
            assert_eq!(Role::of(text), role, "{text}");
        }
        assert_eq!(
            Role::of(&StandingConfig::default().to_string()),
            Role::ReadsMenu
        );
    }

    #[test]
    fn the_standing_configuration_has_what_was_asked_for() {
        let config = StandingConfig {
            boot_uuid: Some("1234-ABCD".to_owned()),
            timeout_seconds: 1,
            serial: true,
        };
        let golden = include_str!("../../tests/golden/grub-standing.cfg");
        assert_eq!(config.to_string(), golden);
    }
}
