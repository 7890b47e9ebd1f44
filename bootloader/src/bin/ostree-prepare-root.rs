//! One small program for what is done between the kernel and the system; its name, as it is called, says what:
//!
//! | name | when | what |
//! |---|---|---|
//! | `ostree-prepare-root SYSROOT [COMMAND-LINE]` | in an initramfs; as first program, without arguments | mounts the deployment |
//! | `ostree-remount` | early in the system | `/sysroot`, `/etc`, `/var` as they were meant to be |
//! | `ostree-system-generator NORMAL EARLY LATE` | when systemd starts | units |
//!
//! It is linked statically where it has no libraries to find: see the README.

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use ostler_bootloader::first_root::{self, Booting, Host, Init, Prepared};
use ostler_fs::mount;

fn main() -> ExitCode {
    let mut arguments = env::args_os();
    let called = arguments.next().unwrap_or_default();
    let name = Path::new(&called).file_name().unwrap_or_default();
    let arguments: Vec<_> = arguments.collect();
    let result = match (name.to_str(), arguments.as_slice()) {
        (Some("ostree-remount"), []) => remount(),
        (Some("ostree-system-generator"), [normal, _, _]) => generate(Path::new(normal)),
        (Some("ostree-prepare-root"), _) if std::process::id() == 1 => {
            first_program().map(|never| match never {})
        }
        (Some("ostree-prepare-root"), [root]) => command_line().and_then(|line| prepare(root.into(), line)),
        (Some("ostree-prepare-root"), [root, line]) => {
            prepare(root.into(), line.to_string_lossy().into_owned())
        }
        _ => Err("usage: ostree-prepare-root SYSROOT [KERNEL-COMMAND-LINE]\n       ostree-remount\n       ostree-system-generator NORMAL EARLY LATE".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", name.display());
            ExitCode::FAILURE
        }
    }
}

fn command_line() -> Result<String, Box<dyn Error>> {
    Ok(fs::read_to_string("/proc/cmdline")?)
}

fn prepare(root: PathBuf, command_line: String) -> Result<(), Box<dyn Error>> {
    let prepared = first_root::prepare(&Host::new(root, command_line), Init::Initramfs)?;
    say(&prepared);
    Ok(())
}

fn say(prepared: &Prepared) {
    let sysroot = match prepared.sysroot_readonly {
        true => "read-only",
        false => "writable",
    };
    println!(
        "ostree-prepare-root: /{} through {}; /sysroot is {sysroot}",
        prepared.deployment, prepared.how
    );
    if let Some(trial) = &prepared.trial {
        println!("ostree-prepare-root: {trial}");
    }
}

/// Without an initramfs nobody has mounted anything, and the system's own first program is started from here.
fn first_program() -> Result<Infallible, Box<dyn Error>> {
    if !mount::is_mount_point("/proc")? {
        mount::mount("proc", "proc", "/proc", "")?;
    }
    if !mount::is_mount_point("/run")? {
        mount::mount(
            "tmpfs",
            "tmpfs",
            "/run",
            "mode=0755,nr_inodes=800k,size=20%",
        )?;
    }
    let host = Host::new(PathBuf::from("/"), command_line()?);
    say(&first_root::prepare(&host, Init::First)?);
    let error = Command::new("/sbin/init")
        .args(env::args_os().skip(1))
        .exec();
    Err(format!("cannot start /sbin/init: {error}").into())
}

fn remount() -> Result<(), Box<dyn Error>> {
    for path in first_root::remount()? {
        println!("ostree-remount: {path}");
    }
    Ok(())
}

fn generate(normal: &Path) -> Result<(), Box<dyn Error>> {
    Ok(first_root::generate(
        &Booting::new(command_line()?),
        normal,
    )?)
}
