//! Names that tie a boot entry to a deployment.
//!
//! ```text
//! /boot/loader           -> loader.B                            B: boot version, 0 or 1
//! /ostree/boot.B         -> boot.B.S                            S: sub-version, 0 or 1
//! /ostree/boot.B.S/STATEROOT/BOOTCSUM/BOOTSERIAL -> ../../../deploy/STATEROOT/deploy/COMMIT.SERIAL
//! ostree=/ostree/boot.B/STATEROOT/BOOTCSUM/BOOTSERIAL           kernel argument
//! ```

#[cfg(test)]
mod tests;

use std::fmt;

use crate::checksum::{Checksum, CommitId};

/// A name or path that is not of the form it must have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct BootNameError {
    /// The refused text, shortened, without control characters.
    pub text: String,
    /// What it should be, in words.
    pub expected: &'static str,
}

fn refused(text: &str, expected: &'static str) -> BootNameError {
    BootNameError {
        text: text.chars().filter(|c| !c.is_control()).take(200).collect(),
        expected,
    }
}

/// One of two places that take turns: what is booted stays whole while the other one is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Turn {
    /// `0`
    Zero,
    /// `1`
    One,
}

impl Turn {
    /// The place that is not in use.
    pub fn other(self) -> Self {
        match self {
            Self::Zero => Self::One,
            Self::One => Self::Zero,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "0" => Some(Self::Zero),
            "1" => Some(Self::One),
            _ => None,
        }
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "0",
            Self::One => "1",
        })
    }
}

/// Name of the directory with the entries of a boot version, below `/boot`: `loader.B`.
pub fn loader_dir(boot_version: Turn) -> String {
    format!("loader.{boot_version}")
}

/// Parses `loader.B`.
///
/// # Errors
/// [`BootNameError`].
pub fn parse_loader_dir(name: &str) -> Result<Turn, BootNameError> {
    let turn = name.strip_prefix("loader.").and_then(Turn::parse);
    turn.ok_or_else(|| refused(name, "loader.0 or loader.1"))
}

/// Name of a boot version's link below `/ostree`: `boot.B`.
pub fn boot_link(boot_version: Turn) -> String {
    format!("boot.{boot_version}")
}

/// Name of the directory of bootlinks below `/ostree`, to which [`boot_link`] points: `boot.B.S`.
pub fn boot_dir(boot_version: Turn, sub_version: Turn) -> String {
    format!("boot.{boot_version}.{sub_version}")
}

/// Parses `boot.B.S` to both numbers.
///
/// # Errors
/// [`BootNameError`].
pub fn parse_boot_dir(name: &str) -> Result<(Turn, Turn), BootNameError> {
    let parse = || {
        let (boot, sub) = name.strip_prefix("boot.")?.split_once('.')?;
        Some((Turn::parse(boot)?, Turn::parse(sub)?))
    };
    parse().ok_or_else(|| refused(name, "boot.B.S with B and S 0 or 1"))
}

/// A stateroot's name: one path part that can stand in a kernel argument and a file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StaterootName(String);

impl StaterootName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`BootNameError`] if it is empty, starts with `.`, is longer than 128 bytes, or has a slash, blank, quote or control
    /// character in it.
    pub fn new(text: impl Into<String>) -> Result<Self, BootNameError> {
        let text = text.into();
        let bad = |c: char| c == '/' || c == '"' || c.is_whitespace() || c.is_control();
        if text.is_empty() || text.starts_with('.') || text.len() > 128 || text.contains(bad) {
            return Err(refused(
                &text,
                "a stateroot name (one path part without blanks)",
            ));
        }
        Ok(Self(text))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StaterootName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for StaterootName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for StaterootName {
    type Err = BootNameError;
    fn from_str(text: &str) -> Result<Self, BootNameError> {
        Self::new(text)
    }
}

/// The value of the kernel argument `ostree=`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bootlink {
    /// Which `boot.B` it goes through.
    pub boot_version: Turn,
    /// The deployment's stateroot.
    pub stateroot: StaterootName,
    /// The checksum of kernel, initramfs and device trees.
    pub bootcsum: Checksum,
    /// Tells apart deployments of a stateroot with the same kernel, from 0.
    pub bootserial: u32,
}

impl Bootlink {
    /// Parses `/ostree/boot.B/STATEROOT/BOOTCSUM/BOOTSERIAL`.
    ///
    /// # Errors
    /// [`BootNameError`].
    pub fn parse(text: &str) -> Result<Self, BootNameError> {
        let parse = || {
            let mut parts = text.strip_prefix("/ostree/boot.")?.split('/');
            let link = Self {
                boot_version: Turn::parse(parts.next()?)?,
                stateroot: StaterootName::new(parts.next()?).ok()?,
                bootcsum: Checksum::from_hex(parts.next()?).ok()?,
                bootserial: serial(parts.next()?)?,
            };
            parts.next().is_none().then_some(link)
        };
        parse().ok_or_else(|| refused(text, "a bootlink like /ostree/boot.0/os/SHA256/0"))
    }

    /// The link's place below its `boot.B.S`: `STATEROOT/BOOTCSUM/BOOTSERIAL`.
    pub fn below_boot_dir(&self) -> String {
        format!("{}/{}/{}", self.stateroot, self.bootcsum, self.bootserial)
    }
}

impl fmt::Display for Bootlink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "/ostree/{}/{}",
            boot_link(self.boot_version),
            self.below_boot_dir()
        )
    }
}

/// The name of a deployment's directory: `COMMIT.SERIAL`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentName {
    /// The commit that is checked out there.
    pub commit: CommitId,
    /// Tells apart deployments of the same commit in a stateroot, from 0.
    pub serial: u32,
}

impl DeploymentName {
    /// Parses `COMMIT.SERIAL`.
    ///
    /// # Errors
    /// [`BootNameError`].
    pub fn parse(text: &str) -> Result<Self, BootNameError> {
        let parse = || {
            let (commit, number) = text.split_once('.')?;
            Some(Self {
                commit: commit.parse().ok()?,
                serial: serial(number)?,
            })
        };
        parse().ok_or_else(|| refused(text, "a deployment name like SHA256.0"))
    }
}

impl fmt::Display for DeploymentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.commit, self.serial)
    }
}

/// A serial in its one canonical form.
fn serial(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
