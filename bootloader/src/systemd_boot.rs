//! systemd-boot on a FAT `/boot`: which of two boot orders is the default is one byte of `loader/loader.conf`.
//!
//! ```text
//! loader/loader.conf               default ostree-b0-*        the first line; what follows is the machine's own
//! loader/entries/ostree-b0-2.conf  the default of boot order 0
//! loader/entries/ostree-b0-1.conf
//! loader/entries/ostree-b1-*.conf  of boot order 1: not there, or being written, or about to be removed
//! ```
//! FAT has no links, no journal and no rename that survives a power cut whole. What holds is that a sector is written or not: the
//! digit is in the file's first one, and neither its size nor its place on disk changes with it. systemd-boot takes the first entry that
//! matches the pattern, by falling number; entries that have used up their tries come last.

use std::io::{Error, ErrorKind, Read, Seek, SeekFrom, Write};

use ostler_format::Turn;
use ostler_fs::{Access, Dir, FsError, file};

use crate::backend::CONFIG_MAX_BYTES;

const LOADER: &str = "loader";
const CONFIG: &str = "loader.conf";
/// What stands before the digit.
const LINE: &[u8] = b"default ostree-b";
/// What stands behind it.
const PATTERN: &[u8] = b"-*";

/// Reads which boot order is the default; `None` if `loader.conf` does not say.
///
/// # Errors
/// [`FsError`].
pub fn active(boot: &Dir) -> Result<Option<Turn>, FsError> {
    let is_dir = boot
        .metadata_optional(LOADER)?
        .is_some_and(|metadata| metadata.is_dir());
    if !is_dir {
        return Ok(None);
    }
    let text = boot
        .open_dir(LOADER)?
        .read_optional(CONFIG, CONFIG_MAX_BYTES)?;
    Ok(text.as_deref().and_then(parse))
}

/// Makes sure that `loader.conf` says which boot order is the default, with the one that is so already; returns whether it was written.
///
/// It is done once, before entries of the other order are there. Whatever a power cut leaves of the file, all entries are whole then.
///
/// # Errors
/// [`FsError`].
pub fn prepare(boot: &Dir, active: Turn) -> Result<bool, FsError> {
    boot.ensure_dir(LOADER, 0o755)?;
    let loader = boot.open_dir(LOADER)?;
    let old = loader.read_optional(CONFIG, CONFIG_MAX_BYTES)?;
    if old.as_deref().and_then(parse).is_some() {
        return Ok(false);
    }
    let mut config = match old {
        Some(_) => loader.open_file(CONFIG, Access::Write)?,
        None => loader.create_file(CONFIG, 0o644)?,
    };
    let text = with_default(old.as_deref().unwrap_or_default(), active);
    config
        .write_all(&text)
        .and_then(|()| config.set_len(text.len() as u64))
        .map_err(|error| failed("write", &loader, error))?;
    file::sync(&config)?;
    loader.sync()?;
    Ok(true)
}

/// Makes a boot order the default, in the one step that a power cut can't halve. Durable when it returns.
///
/// # Errors
/// [`FsError`]; also if `loader.conf` does not say which order is the default ([`prepare`]).
pub fn switch(boot: &Dir, next: Turn) -> Result<(), FsError> {
    let loader = boot.open_dir(LOADER)?;
    let mut config = loader.open_file(CONFIG, Access::ReadWrite)?;
    let mut start = [0; LINE.len() + 1 + PATTERN.len()];
    config
        .read_exact(&mut start)
        .map_err(|error| failed("read", &loader, error))?;
    if parse(&start).is_none() {
        let reason = Error::new(
            ErrorKind::InvalidData,
            "its first line is not the default order's",
        );
        return Err(failed("change", &loader, reason));
    }
    config
        .seek(SeekFrom::Start(LINE.len() as u64))
        .and_then(|_| config.write_all(next.to_string().as_bytes()))
        .map_err(|error| failed("write", &loader, error))?;
    file::sync(&config)
}

fn failed(op: &'static str, loader: &Dir, error: Error) -> FsError {
    FsError::new(op, loader.shown_path().join(CONFIG), error)
}

fn parse(text: &[u8]) -> Option<Turn> {
    let (digit, rest) = text.strip_prefix(LINE)?.split_first()?;
    let rest = rest.strip_prefix(PATTERN)?;
    let ends = rest
        .first()
        .is_none_or(|next| matches!(next, b'\n' | b'\r'));
    match digit {
        b'0' if ends => Some(Turn::Zero),
        b'1' if ends => Some(Turn::One),
        _ => None,
    }
}

/// The configuration with our first line, and without defaults of others.
fn with_default(old: &[u8], active: Turn) -> Vec<u8> {
    let mut text = [LINE, active.to_string().as_bytes(), PATTERN, b"\n"].concat();
    for line in old.split_inclusive(|byte| *byte == b'\n') {
        let mut words = line.split(u8::is_ascii_whitespace);
        if words.find(|word| !word.is_empty()) != Some(b"default") {
            text.extend_from_slice(line);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_boot::TestBoot;

    #[test]
    fn the_first_line_is_ours_and_the_others_stay() {
        let boot = TestBoot::new();
        boot.write(
            "loader/loader.conf",
            "timeout 3\n default arch.conf\nconsole-mode max\n",
        );
        assert_eq!(active(&boot.dir()).unwrap(), None);
        assert!(prepare(&boot.dir(), Turn::One).unwrap());
        let text = "default ostree-b1-*\ntimeout 3\nconsole-mode max\n";
        assert_eq!(boot.read("loader/loader.conf"), text);
        assert!(
            !prepare(&boot.dir(), Turn::Zero).unwrap(),
            "it says so already"
        );
        assert_eq!(active(&boot.dir()).unwrap(), Some(Turn::One));
    }

    #[test]
    fn a_switch_changes_one_byte() {
        let boot = TestBoot::new();
        assert!(prepare(&boot.dir(), Turn::Zero).unwrap());
        let before = boot.read("loader/loader.conf");
        switch(&boot.dir(), Turn::One).unwrap();
        let after = boot.read("loader/loader.conf");
        assert_eq!(active(&boot.dir()).unwrap(), Some(Turn::One));
        let changed = before.bytes().zip(after.bytes()).filter(|(a, b)| a != b);
        assert_eq!((changed.count(), before.len()), (1, after.len()));
    }

    #[test]
    fn a_configuration_that_is_not_ours_is_not_switched() {
        let boot = TestBoot::new();
        for text in [
            "",
            "default ostree-b",
            "default ostree-b2-*\n",
            "default ostree-b0-*x\n",
        ] {
            boot.write("loader/loader.conf", text);
            assert_eq!(active(&boot.dir()).unwrap(), None, "{text}");
        }
        boot.write("loader/loader.conf", "default ostree-b2-*\n");
        switch(&boot.dir(), Turn::One).unwrap_err();
        assert_eq!(boot.read("loader/loader.conf"), "default ostree-b2-*\n");
    }
}
