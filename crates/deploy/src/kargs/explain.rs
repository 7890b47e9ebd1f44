//! Where each kernel argument of a deployment comes from.

use ostler_format::Karg;
use serde::Serialize;

use crate::deployment::Deployment;
use crate::sysroot::Sysroot;

use super::defaults::{DefaultKarg, Defaults, DefaultsError};
use super::sources::{self, HOST_FILE};

/// Names of arguments that say where the root file system is and how it is mounted; a name that ends in `.` stands for all that begin so.
const ROOT_NAMES: [&str; 9] = [
    "root",
    "rootflags",
    "rootfstype",
    "ro",
    "rw",
    "rd.luks.",
    "rd.lvm.",
    "rd.md.",
    "boot",
];

/// Where an argument comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "source")]
pub enum KargSource {
    /// A file of the tree says it.
    Default {
        /// Its absolute path.
        file: String,
    },
    /// `apply` has added it for the host file.
    HostFile,
    /// Another program owns it.
    Owner {
        /// By this name.
        name: String,
    },
    /// It leads the first root to the deployment, and is written with each boot entry.
    Deployment,
    /// It names the root file system: chosen when the system was installed.
    Installation,
    /// A person's, by `kargs` or when it was deployed.
    Administrator,
}

/// An argument and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The argument.
    pub argument: String,
    /// All that say it; at least one.
    pub from: Vec<KargSource>,
}

/// The arguments of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Explanation {
    /// Those that it boots with, in order.
    pub arguments: Vec<Explained>,
    /// Defaults of its tree that somebody has removed.
    pub removed_defaults: Vec<Explained>,
}

/// Says where the arguments of a deployment come from. Who chose an argument that no file and no owner says is told by its name.
///
/// # Errors
/// [`DefaultsError`] if the tree's defaults cannot be read.
pub fn explain(sysroot: &Sysroot, deployment: &Deployment) -> Result<Explanation, DefaultsError> {
    let defaults = Defaults::of_deployment(&sysroot.open_deployment(&deployment.id)?)?;
    Ok(explain_with(deployment, &defaults))
}

fn explain_with(deployment: &Deployment, defaults: &Defaults) -> Explanation {
    let options = &deployment.entry.options;
    let own = deployment.chosen_kargs();
    let arguments = options.iter().map(|argument| {
        let mut from: Vec<KargSource> = defaults
            .iter()
            .filter(|default| default.argument == *argument)
            .map(file)
            .collect();
        let owners =
            sources::owned(deployment).filter(|(_, kargs)| kargs.contains(argument.as_str()));
        from.extend(owners.map(|(name, _)| match name {
            HOST_FILE => KargSource::HostFile,
            name => KargSource::Owner {
                name: name.to_owned(),
            },
        }));
        if from.is_empty() {
            from.push(match () {
                () if !own.contains(argument.as_str()) => KargSource::Deployment,
                () if names_root(argument) => KargSource::Installation,
                () => KargSource::Administrator,
            });
        }
        Explained {
            argument: argument.to_string(),
            from,
        }
    });
    let removed = defaults
        .iter()
        .filter(|default| !options.contains(default.argument.as_str()));
    Explanation {
        arguments: arguments.collect(),
        removed_defaults: removed
            .map(|default| Explained {
                argument: default.argument.to_string(),
                from: vec![file(default)],
            })
            .collect(),
    }
}

fn file(default: &DefaultKarg) -> KargSource {
    KargSource::Default {
        file: format!("/{}", default.file),
    }
}

fn names_root(argument: &Karg) -> bool {
    let key = argument.key();
    ROOT_NAMES.iter().any(|name| match name.ends_with('.') {
        true => key.starts_with(name),
        false => key == *name,
    })
}
