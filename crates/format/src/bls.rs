//! Boot Loader Specification entries: the text of `loader/entries/*.conf`, its file names, and the order of a menu.

mod version;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;

pub use version::compare_versions;

use crate::bootlink::{StaterootName, Turn};
use crate::kargs::KernelArgs;

/// The reason why bytes are no boot entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BootEntryError {
    /// The text is longer than [`BootEntry::MAX_BYTES`].
    #[error("boot entry of {found} bytes, at most {max} are read")]
    TooLarge {
        /// Bytes that were given.
        found: usize,
        /// The limit, [`BootEntry::MAX_BYTES`].
        max: usize,
    },
    /// A line is not UTF-8 or has a NUL in it.
    #[error("boot entry line {line} is not text")]
    NotText {
        /// Line number, from 1.
        line: usize,
    },
}

/// One boot entry.
///
/// Paths are as the boot loader sees them: they start with `/` at the root of the boot file system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootEntry {
    /// What the menu shows.
    pub title: Option<String>,
    /// Decides the order of the menu, highest first; libostree writes the count of deployments minus the slot.
    pub version: Option<String>,
    /// Kernel arguments.
    pub options: KernelArgs,
    /// A single device tree file.
    pub devicetree: Option<String>,
    /// The kernel.
    pub linux: Option<String>,
    /// The initramfs, then overlays, in the order in which the boot loader concatenates them.
    pub initrds: Vec<String>,
    /// Keys that have no field here, with their values, in the order of the text; `fdtdir`, `aboot` and `x-...` among them.
    pub other: Vec<(String, String)>,
}

impl BootEntry {
    /// The longest text that is parsed, in bytes.
    pub const MAX_BYTES: usize = 1 << 20;

    /// Parses the text of an entry.
    ///
    /// Each line is a key, blanks and a value. Comments, empty lines and lines without a value are skipped, as boot loaders
    /// do. `options` lines add up; of other repeated keys that have one field, the last counts.
    ///
    /// # Errors
    /// [`BootEntryError`] if the text is too long or no text.
    pub fn parse(text: &[u8]) -> Result<Self, BootEntryError> {
        if text.len() > Self::MAX_BYTES {
            return Err(BootEntryError::TooLarge {
                found: text.len(),
                max: Self::MAX_BYTES,
            });
        }
        let mut entry = Self::default();
        for (index, line) in text.split(|b| *b == b'\n').enumerate() {
            let line = match std::str::from_utf8(line) {
                Ok(line) if !line.contains('\0') => line.trim_ascii(),
                _ => return Err(BootEntryError::NotText { line: index + 1 }),
            };
            if !line.starts_with(|c: char| c.is_ascii_alphabetic()) {
                continue;
            }
            if let Some((key, value)) = line.split_once([' ', '\t']) {
                entry.take(key, value.trim_ascii());
            }
        }
        Ok(entry)
    }

    fn take(&mut self, key: &str, value: &str) {
        let text = value.to_owned();
        match key {
            "title" => self.title = Some(text),
            "version" => self.version = Some(text),
            "options" => self.options.append(value),
            "devicetree" => self.devicetree = Some(text),
            "linux" => self.linux = Some(text),
            "initrd" => self.initrds.push(text),
            _ => self.other.push((key.to_owned(), text)),
        }
    }

    /// The last value of a key that has no field.
    pub fn other(&self, key: &str) -> Option<&str> {
        self.other
            .iter()
            .rev()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value.as_str())
    }

    /// The directory of device trees from which the boot loader chooses.
    pub fn fdtdir(&self) -> Option<&str> {
        self.other("fdtdir")
    }

    /// The text in libostree's order: title, version, options, devicetree, linux, initrd lines, other keys.
    ///
    /// Line ends and NUL inside a value become spaces, so that no value can add a line.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// Compares two entries by their place in a menu: `Less` comes first.
    ///
    /// By the specification's rule for entries without `sort-key`, with which libostree agrees: the higher version first,
    /// then the higher file name.
    pub fn menu_order(a: (&str, &BootEntry), b: (&str, &BootEntry)) -> Ordering {
        let version = |entry: &BootEntry| entry.version.clone().unwrap_or_default();
        compare_versions(&version(b.1), &version(a.1)).then_with(|| compare_versions(b.0, a.0))
    }
}

impl fmt::Display for BootEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |key: &str, value: &str| {
            let value = value.replace(['\n', '\r', '\0'], " ");
            writeln!(f, "{key} {value}")
        };
        if let Some(title) = &self.title {
            line("title", title)?;
        }
        if let Some(version) = &self.version {
            line("version", version)?;
        }
        if !self.options.is_empty() {
            line("options", &self.options.to_string())?;
        }
        if let Some(devicetree) = &self.devicetree {
            line("devicetree", devicetree)?;
        }
        if let Some(linux) = &self.linux {
            line("linux", linux)?;
        }
        for initrd in &self.initrds {
            line("initrd", initrd)?;
        }
        for (key, value) in &self.other {
            line(key, value)?;
        }
        Ok(())
    }
}

/// The file name of a deployment's boot entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntryName {
    /// Count of deployments minus the slot: the default deployment has the highest.
    pub number: u32,
    /// The stateroot, in names of the old form `ostree-N-STATEROOT.conf` only.
    pub stateroot: Option<StaterootName>,
    /// Boot counting, in names of the new form only.
    pub tries: Option<Tries>,
    /// The boot version that the entry is of, in names `ostree-bB-N.conf` only: where the entries of both are in one directory.
    pub boot_version: Option<Turn>,
}

/// Boot counting in an entry's name: `+LEFT` or `+LEFT-DONE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tries {
    /// Boots that are left before the entry counts as bad.
    pub left: u32,
    /// Boots that were tried; `None` is written without `-DONE`.
    pub done: Option<u32>,
}

impl EntryName {
    /// The name `ostree-N-STATEROOT.conf`, as libostree wrote until 2024.4.
    pub fn old(number: u32, stateroot: StaterootName) -> Self {
        Self {
            number,
            stateroot: Some(stateroot),
            tries: None,
            boot_version: None,
        }
    }

    /// The name `ostree-N.conf`, as libostree writes since 2024.5.
    pub fn new(number: u32) -> Self {
        Self {
            number,
            stateroot: None,
            tries: None,
            boot_version: None,
        }
    }

    /// Parses a file name; `None` if it is not the name of a deployment's entry.
    pub fn parse(name: &str) -> Option<Self> {
        let stem = name.strip_prefix("ostree-")?.strip_suffix(".conf")?;
        let (boot_version, stem) = match stem.split_at_checked(3) {
            Some(("b0-", stem)) => (Some(Turn::Zero), stem),
            Some(("b1-", stem)) => (Some(Turn::One), stem),
            _ => (None, stem),
        };
        let digits = stem.bytes().take_while(u8::is_ascii_digit).count();
        let number = number(&stem[..digits])?;
        let rest = &stem[digits..];
        if rest.is_empty() {
            return Some(Self {
                boot_version,
                ..Self::new(number)
            });
        }
        if let (None, Some(stateroot)) = (boot_version, rest.strip_prefix('-')) {
            return Some(Self::old(number, StaterootName::new(stateroot).ok()?));
        }
        let counters = rest.strip_prefix('+')?;
        let tries = match counters.split_once('-') {
            Some((left, done)) => Tries {
                left: self::number(left)?,
                done: Some(self::number(done)?),
            },
            None => Tries {
                left: self::number(counters)?,
                done: None,
            },
        };
        Some(Self {
            number,
            stateroot: None,
            tries: Some(tries),
            boot_version,
        })
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ostree-")?;
        if let Some(boot_version) = self.boot_version {
            write!(f, "b{boot_version}-")?;
        }
        write!(f, "{}", self.number)?;
        if let Some(stateroot) = &self.stateroot {
            write!(f, "-{stateroot}")?;
        } else if let Some(tries) = &self.tries {
            write!(f, "+{}", tries.left)?;
            if let Some(done) = tries.done {
                write!(f, "-{done}")?;
            }
        }
        f.write_str(".conf")
    }
}

/// A number of ASCII digits only, without the signs that `parse` would take.
fn number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}
