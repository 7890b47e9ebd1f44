//! Boot loaders that count boots in an environment of their own, told of a trial.
//!
//! | boot loader | where | when a trial begins | when it ends |
//! |---|---|---|---|
//! | GRUB 2 | `/boot/grub{2,}/grubenv` | `boot_success=0`, `boot_counter=N` | `boot_success=1`, no counter |
//! | U-Boot | `/boot/uboot.env`, if it has an `altbootcmd` | `upgrade_available=1`, `bootcount=0`, `bootlimit=N` | `upgrade_available=0`, `bootcount=0` |
//!
//! The variables are those that Fedora's and greenboot's GRUB snippets, and U-Boot itself, know. GRUB counts by the commands in our menu
//! ([`grub_commands`]): down to 0, and then it boots the second entry and leaves -1. U-Boot counts up, and runs `altbootcmd` beyond the limit; without one it
//! would stop at its prompt, so it is told nothing then. Loaders that count in the names of entries need no word.

use ostler_format::{GrubEnv, GrubEnvError, UbootEnv, UbootEnvError};
use ostler_fs::{Dir, Durability, FsError, Trusted};

const GRUB_DIRECTORIES: [&str; 2] = ["grub2", "grub"];
const GRUB_ENV: &str = "grubenv";
const UBOOT_ENV: &str = "uboot.env";
/// As many tries as GRUB's commands can count; they know no arithmetic.
const MAX_TRIES: u32 = 20;

/// An environment that could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CountingError {
    /// A file or directory.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// GRUB's.
    #[error("GRUB's environment block: {0}")]
    Grub(#[from] GrubEnvError),
    /// U-Boot's.
    #[error("U-Boot's environment: {0}")]
    Uboot(#[from] UbootEnvError),
}

/// Tells the boot loaders in `boot` that the default entry has so many boots to prove itself.
///
/// # Errors
/// [`CountingError`].
pub fn start(boot: &Dir, tries: u32) -> Result<(), CountingError> {
    if let Some(directory) = grub_directory(boot)? {
        let mut env = match read_grub(&directory) {
            Ok(env) => env.unwrap_or_default(),
            // Nothing that GRUB could read is lost.
            Err(CountingError::Grub(_)) => GrubEnv::new(),
            Err(error) => return Err(error),
        };
        env.set("boot_success", "0")?;
        env.set("boot_counter", &tries.min(MAX_TRIES).to_string())?;
        write_grub(&directory, &env)?;
    }
    let env = read_uboot(boot)?.filter(|env| env.get("altbootcmd").is_some());
    if let Some(mut env) = env {
        env.set("upgrade_available", "1")?;
        env.set("bootcount", "0")?;
        env.set("bootlimit", &tries.to_string())?;
        write_uboot(boot, &env)?;
    }
    Ok(())
}

/// Tells the boot loaders that there is nothing to count.
///
/// # Errors
/// [`CountingError`].
pub fn stop(boot: &Dir) -> Result<(), CountingError> {
    if let Some(directory) = grub_directory(boot)?
        && let Some(mut env) = read_grub(&directory)?
        && env.get("boot_counter").is_some()
    {
        env.unset("boot_counter");
        env.set("boot_success", "1")?;
        write_grub(&directory, &env)?;
    }
    if let Some(mut env) = read_uboot(boot)?
        && env.get("upgrade_available") == Some("1")
    {
        env.set("upgrade_available", "0")?;
        env.set("bootcount", "0")?;
        write_uboot(boot, &env)?;
    }
    Ok(())
}

/// Says whether a boot loader has used up the tries, and booted the second entry.
///
/// # Errors
/// [`CountingError`].
pub fn gave_up(boot: &Dir) -> Result<bool, CountingError> {
    if let Some(directory) = grub_directory(boot)?
        && let Some(env) = read_grub(&directory)?
        && env.get("boot_success").as_deref() == Some("0")
        && env.get("boot_counter").as_deref() == Some("-1")
    {
        return Ok(true);
    }
    let Some(env) = read_uboot(boot)? else {
        return Ok(false);
    };
    let number = |name| env.get(name).and_then(|text| text.parse::<u32>().ok());
    let (count, limit) = (number("bootcount"), number("bootlimit"));
    let on_trial = env.get("upgrade_available") == Some("1");
    Ok(on_trial && count.zip(limit).is_some_and(|(count, limit)| count > limit))
}

/// The commands by which GRUB counts; they go before its menu, and change nothing where no trial is.
#[must_use]
pub fn grub_commands() -> String {
    let mut text = String::from(
        "if [ -s $prefix/grubenv ]; then\n  load_env\nfi\n\
         if [ \"${boot_success}\" = \"0\" ]; then\n  \
         if [ \"${boot_counter}\" = \"0\" -o \"${boot_counter}\" = \"-1\" ]; then\n    \
         set default=1\n    set boot_counter=-1\n",
    );
    for left in 1..=MAX_TRIES {
        let (before, after) = (left, left - 1);
        text += &format!(
            "  elif [ \"${{boot_counter}}\" = \"{before}\" ]; then\n    set boot_counter={after}\n"
        );
    }
    text += "  fi\n  if [ -n \"${boot_counter}\" ]; then\n    save_env boot_counter\n  fi\nfi\n";
    text
}

/// The directory of a GRUB that is in use.
fn grub_directory(boot: &Dir) -> Result<Option<Dir>, FsError> {
    for name in GRUB_DIRECTORIES {
        if let Some(directory) = boot.open_dir_optional(name)?
            && (directory.exists("grub.cfg")? || directory.exists(GRUB_ENV)?)
        {
            return Ok(Some(directory));
        }
    }
    Ok(None)
}

fn read_grub(directory: &Dir) -> Result<Option<GrubEnv>, CountingError> {
    let cap = GrubEnv::MAX_BYTES as u64;
    let block = directory.read_in_root_optional(GRUB_ENV, cap)?;
    Ok(block.map(|block| GrubEnv::parse(&block)).transpose()?)
}

fn write_grub(directory: &Dir, env: &GrubEnv) -> Result<(), CountingError> {
    let block = env.to_bytes()?;
    Ok(directory.write_atomic(GRUB_ENV, block, 0o644, Durability::Synced)?)
}

fn read_uboot(boot: &Dir) -> Result<Option<UbootEnv>, CountingError> {
    let bytes = boot.read_optional(Trusted(UBOOT_ENV), UbootEnv::MAX_BYTES as u64)?;
    Ok(bytes.map(|bytes| UbootEnv::parse(&bytes)).transpose()?)
}

fn write_uboot(boot: &Dir, env: &UbootEnv) -> Result<(), CountingError> {
    let bytes = env.to_bytes()?;
    Ok(boot.write_atomic(Trusted(UBOOT_ENV), bytes, 0o644, Durability::Synced)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    fn boot() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let boot = Dir::open_ambient(temp.path()).unwrap();
        (temp, boot)
    }

    #[test]
    fn a_boot_without_such_a_loader_is_left_alone() {
        let (temp, boot) = boot();
        fs::create_dir(temp.path().join("grub")).unwrap();
        start(&boot, 3).unwrap();
        stop(&boot).unwrap();
        assert!(!gave_up(&boot).unwrap());
        assert_eq!(fs::read_dir(temp.path().join("grub")).unwrap().count(), 0);
    }

    #[test]
    fn grub_is_told_when_to_count_and_is_believed_when_it_gave_up() {
        let (temp, boot) = boot();
        fs::create_dir(temp.path().join("grub")).unwrap();
        fs::write(temp.path().join("grub/grub.cfg"), "").unwrap();
        start(&boot, 3).unwrap();
        let path = temp.path().join("grub/grubenv");
        let env = || GrubEnv::parse(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(env().to_string(), "boot_success=0\nboot_counter=3\n");
        let mut counted = env();
        counted.set("boot_counter", "-1").unwrap();
        counted.set("theirs", "kept").unwrap();
        fs::write(&path, counted.to_bytes().unwrap()).unwrap();
        assert!(gave_up(&boot).unwrap());
        stop(&boot).unwrap();
        assert!(!gave_up(&boot).unwrap());
        assert_eq!(env().to_string(), "boot_success=1\ntheirs=kept\n");
    }

    #[test]
    fn uboot_is_told_only_if_it_knows_what_to_do_then() {
        let (temp, boot) = boot();
        let path = temp.path().join(UBOOT_ENV);
        let mut env = UbootEnv::new(4096);
        fs::write(&path, env.to_bytes().unwrap()).unwrap();
        start(&boot, 2).unwrap();
        assert_eq!(UbootEnv::parse(&fs::read(&path).unwrap()), Ok(env.clone()));
        env.set("altbootcmd", "run boot2").unwrap();
        fs::write(&path, env.to_bytes().unwrap()).unwrap();
        start(&boot, 2).unwrap();
        let mut counted = UbootEnv::parse(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(counted.get("bootlimit"), Some("2"));
        assert!(!gave_up(&boot).unwrap());
        counted.set("bootcount", "3").unwrap();
        fs::write(&path, counted.to_bytes().unwrap()).unwrap();
        assert!(gave_up(&boot).unwrap());
        stop(&boot).unwrap();
        assert!(!gave_up(&boot).unwrap());
    }

    #[test]
    fn grub_takes_the_commands() {
        let temp = tempfile::tempdir().unwrap();
        let script = temp.path().join("script");
        fs::write(&script, grub_commands()).unwrap();
        match Command::new("grub-script-check").arg(&script).output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            output => {
                let output = output.unwrap();
                assert!(output.status.success(), "{output:?}");
            }
        }
    }
}
