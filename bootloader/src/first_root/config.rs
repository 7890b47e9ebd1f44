//! What `prepare-root.conf` and the kernel's command line ask for.

use ostler_format::{KernelArgs, KeyFile};
use ostler_fs::{Dir, Trusted};

use super::FirstRootError;

/// In an initramfs: of the vendor, and of the administrator, who replaces the vendor's.
const PLACES: [&str; 2] = [
    "usr/lib/ostree/prepare-root.conf",
    "etc/ostree/prepare-root.conf",
];
const MAX_CONFIG_BYTES: u64 = 1 << 20;
const KARG_COMPOSEFS: &str = "ostree.prepare-root.composefs";
const KEY_COMPOSEFS: &str = "composefs.enabled";
const DEFAULT_KEYS: &str = "/etc/ostree/initramfs-root-binding.key";

/// Whether the root is the deployment's composefs image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Composefs {
    /// No: the directory.
    #[default]
    No,
    /// If the deployment has one.
    Maybe,
    /// Yes.
    Yes,
    /// Yes, and the kernel must check every file that it reads.
    Verity,
    /// As [`Composefs::Verity`], and the image must be that of a signed commit.
    Signed,
}

impl Composefs {
    pub(super) fn requires_verity(self) -> bool {
        matches!(self, Self::Verity | Self::Signed)
    }

    fn is_certain(self) -> bool {
        !matches!(self, Self::No | Self::Maybe)
    }

    fn parse(setting: &'static str, text: &str) -> Result<Self, FirstRootError> {
        Ok(match text {
            "no" | "false" | "0" | "none" => Self::No,
            "maybe" => Self::Maybe,
            "yes" | "true" | "1" => Self::Yes,
            "verity" => Self::Verity,
            "signed" => Self::Signed,
            other => {
                return Err(FirstRootError::Setting {
                    setting,
                    expected: "no, maybe, yes, verity or signed",
                    found: other.to_owned(),
                });
            }
        })
    }
}

/// What of the root itself can be written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RootLayer {
    /// Nothing more than without a layer.
    #[default]
    None,
    /// Everything, until the next boot.
    Transient,
    /// Everything, until the next boot, once it is made writable.
    TransientReadOnly,
}

/// The settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    /// Whether the physical root is for reading only; `None`: not said.
    readonly: Option<bool>,
    pub(super) transient_etc: bool,
    pub(super) root_layer: RootLayer,
    pub(super) composefs: Composefs,
    /// The file of the keys that sign commits.
    pub(super) keys: String,
}

impl Config {
    /// Reads `prepare-root.conf` beneath the initramfs's root.
    pub(super) fn read(initramfs: &Dir, kargs: &KernelArgs) -> Result<Self, FirstRootError> {
        let mut file = KeyFile::new();
        for path in PLACES {
            let bytes = initramfs.read_in_root_optional(Trusted(path), MAX_CONFIG_BYTES)?;
            if let Some(bytes) = bytes {
                file = KeyFile::parse(&bytes)
                    .map_err(|cause| FirstRootError::Syntax { path, cause })?;
            }
        }
        Self::parse(&file, kargs)
    }

    fn parse(file: &KeyFile, kargs: &KernelArgs) -> Result<Self, FirstRootError> {
        let syntax = |cause| FirstRootError::Syntax {
            path: "prepare-root.conf",
            cause,
        };
        let boolean = |group, key| file.boolean(group, key).map_err(syntax);
        let text = |group, key| file.string(group, key).map_err(syntax);
        let of_file = text("composefs", "enabled")?;
        let composefs = match (kargs.last_value(KARG_COMPOSEFS), of_file.as_deref()) {
            (Some(value), _) => Composefs::parse(KARG_COMPOSEFS, value)?,
            (None, Some(value)) => Composefs::parse(KEY_COMPOSEFS, value)?,
            (None, None) => Composefs::No,
        };
        let root_layer = match (
            boolean("root", "transient")? == Some(true),
            boolean("root", "transient-ro")? == Some(true),
        ) {
            (false, false) => RootLayer::None,
            (true, false) => RootLayer::Transient,
            (false, true) => RootLayer::TransientReadOnly,
            (true, true) => {
                let reason = "root.transient and root.transient-ro exclude each other";
                return Err(FirstRootError::Settings(reason));
            }
        };
        Ok(Self {
            readonly: boolean("sysroot", "readonly")?,
            transient_etc: boolean("etc", "transient")? == Some(true),
            root_layer,
            composefs,
            keys: text("composefs", "keypath")?.unwrap_or_else(|| DEFAULT_KEYS.to_owned()),
        })
    }

    /// Says whether the physical root becomes read-only; `of_repository`, the older place of this setting, is asked only if nothing else
    /// says so, and never where the root's integrity is checked.
    pub(super) fn is_sysroot_readonly(
        &self,
        of_repository: impl FnOnce() -> Result<bool, FirstRootError>,
    ) -> Result<bool, FirstRootError> {
        match self.readonly {
            Some(true) => Ok(true),
            said if self.composefs.is_certain() => Ok(said.unwrap_or(true)),
            _ => of_repository(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, kargs: &str) -> Result<Config, FirstRootError> {
        let file = KeyFile::parse(text.as_bytes()).unwrap();
        Config::parse(&file, &KernelArgs::parse(kargs))
    }

    fn never() -> Result<bool, FirstRootError> {
        panic!("the repository is not asked")
    }

    #[test]
    fn nothing_said_is_the_plain_deployment_and_the_repository_is_asked() {
        let config = parse("", "root=/dev/vda").unwrap();
        assert_eq!(config.composefs, Composefs::No);
        assert_eq!(config.root_layer, RootLayer::None);
        assert!(!config.transient_etc);
        assert!(config.is_sysroot_readonly(|| Ok(true)).unwrap());
        assert!(!config.is_sysroot_readonly(|| Ok(false)).unwrap());
    }

    #[test]
    fn composefs_makes_the_physical_root_read_only_unless_told_otherwise() {
        let config = parse("[composefs]\nenabled=yes\n", "").unwrap();
        assert!(config.is_sysroot_readonly(never).unwrap());
        let text = "[composefs]\nenabled=signed\nkeypath=/k\n[sysroot]\nreadonly=false\n";
        let config = parse(text, "").unwrap();
        assert!(!config.is_sysroot_readonly(never).unwrap());
        assert!(config.composefs.requires_verity());
        assert_eq!(config.keys, "/k");
        let config = parse("[composefs]\nenabled=maybe\n", "").unwrap();
        assert!(!config.is_sysroot_readonly(|| Ok(false)).unwrap());
    }

    #[test]
    fn the_kernels_command_line_outweighs_the_file() {
        for (value, expected) in [
            ("0", Composefs::No),
            ("maybe", Composefs::Maybe),
            ("signed", Composefs::Signed),
            ("verity", Composefs::Verity),
        ] {
            let kargs = format!("quiet {KARG_COMPOSEFS}={value}");
            let config = parse("[composefs]\nenabled=yes\n", &kargs).unwrap();
            assert_eq!(config.composefs, expected);
        }
    }

    #[test]
    fn values_that_mean_nothing_are_refused_with_their_place() {
        for (text, kargs, said) in [
            (
                "[composefs]\nenabled=oui\n",
                "",
                "composefs.enabled must be",
            ),
            (
                "",
                "ostree.prepare-root.composefs=oui",
                "ostree.prepare-root.composefs must be",
            ),
            (
                "[root]\ntransient=true\ntransient-ro=true\n",
                "",
                "exclude each other",
            ),
            ("[etc]\ntransient=perhaps\n", "", "prepare-root.conf"),
        ] {
            let error = parse(text, kargs).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
