//! `admin --print-current-dir`: the path of the first deployment.

use std::ffi::OsString;
use std::path::PathBuf;

use super::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::SysrootOption;

/// Prints the path, if the arguments ask for it.
pub(crate) fn print(arguments: &[OsString], context: &Context) -> Option<anyhow::Result<Exit>> {
    if !arguments
        .iter()
        .any(|argument| argument == "--print-current-dir")
    {
        return None;
    }
    let option = SysrootOption {
        sysroot: sysroot(arguments),
    };
    Some(print_first(&option, context))
}

fn sysroot(arguments: &[OsString]) -> Option<PathBuf> {
    let mut arguments = arguments.iter();
    let mut found = None;
    while let Some(argument) = arguments.next() {
        if argument == "--sysroot" {
            found = arguments.next().map(PathBuf::from);
        } else if let Some(path) = argument
            .to_str()
            .and_then(|text| text.strip_prefix("--sysroot="))
        {
            found = Some(PathBuf::from(path));
        }
    }
    found
}

fn print_first(option: &SysrootOption, context: &Context) -> anyhow::Result<Exit> {
    let sysroot = system::open(option)?;
    let first = sysroot.deployments.first();
    let first =
        first.ok_or_else(|| anyhow::anyhow!("unable to find a deployment in the system root"))?;
    let path = std::fs::canonicalize(sysroot.deployment_path(&first.id))?;
    context.printer.line(path.display())?;
    Ok(Exit::Done)
}
