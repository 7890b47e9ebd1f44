//! `status`: what runs, what comes next and what to go back to.

use anyhow::Context as _;
use ostler_deploy::Sysroot;
use ostler_deploy::lock_owner::{self, HeldBy};
use ostler_deploy::status::{Judge, Status as Deployments};
use ostler_deploy::update_driver::UpdateDriver;
use ostler_deploy::update_policy::UpdatePolicy;
use serde_json::Value;

use super::status_packages;
use super::status_text::{self, Updates};
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};
use crate::text::date;

/// Options of `status`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the part of the JSON at this path (`$.deployments[0].checksum`)
    #[arg(short = 'J', long, value_name = "PATH")]
    pub(crate) jsonpath: Option<String>,
    /// Show the booted deployment alone
    #[arg(short, long)]
    pub(crate) booted: bool,
    /// Exit with 77 if another deployment is booted next
    #[arg(long)]
    pub(crate) pending_exit_77: bool,
}

impl Verb for Status {
    const NAME: &'static str = "status";
    const ABOUT: &'static str = "Show what runs, what boots next and what to go back to";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "status",
            says: "show the deployments; needs no privilege",
        },
        Example {
            call: "status -J '$.deployments[0].checksum'",
            says: "print the commit that boots next",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let sysroot = system::open(&self.sysroot)?;
        let mut deployments = Deployments::read(&sysroot)?;
        let pending = sysroot.booted().is_some()
            && !sysroot
                .deployments
                .first()
                .is_some_and(|first| first.booted);
        if self.booted {
            sysroot.require_booted()?;
            deployments
                .deployments
                .retain(|status| status.deployment.booted);
        }
        // Without the right to look at the lock, nothing is known of who holds it.
        let held = lock_owner::held_by(self.sysroot.path()).unwrap_or_default();
        if let Some(path) = &self.jsonpath {
            let json = as_json(&sysroot, &deployments, &held);
            let found =
                json_path(&json, path).with_context(|| format!("nothing is at `{path}`"))?;
            context
                .printer
                .line(serde_json::to_string_pretty(&found)?)?;
        } else if self.json {
            context.printer.line(serde_json::to_string_pretty(&as_json(
                &sysroot,
                &deployments,
                &held,
            ))?)?;
        } else {
            // What cannot be told of the details must not keep the rest from being told.
            if context.printer.is_verbose()
                && let Err(error) = deployments.judge_signatures(&sysroot, Judge::Describe)
            {
                context.printer.warning(error);
            }
            let policy = update_policy(&sysroot).unwrap_or_else(|error| {
                context.printer.warning(error);
                None
            });
            let driver = UpdateDriver::read(sysroot.host())?;
            let updates = Updates { policy, driver };
            let diffs = match context.printer.is_verbose() {
                true => status_packages::diffs(context, &sysroot),
                false => Vec::new(),
            };
            status_text::print(context, &deployments, &held, &updates, &diffs)?;
        }
        match self.pending_exit_77 && pending {
            true => Ok(Exit::NothingToDo),
            false => Ok(Exit::Done),
        }
    }
}

/// What a timer may do on the running system, if a file says it.
fn update_policy(sysroot: &Sysroot) -> anyhow::Result<Option<UpdatePolicy>> {
    match sysroot.booted() {
        Some(booted) => Ok(UpdatePolicy::read(sysroot, &booted.id.stateroot)?),
        None => Ok(None),
    }
}

/// The deployments, and as `transaction` who changes them: the command, its number, and since when.
fn as_json(sysroot: &Sysroot, deployments: &Deployments, held: &[HeldBy]) -> Value {
    let mut json = deployments.rpm_ostree_json(sysroot);
    if let Ok(Some(driver)) = UpdateDriver::read(sysroot.host()) {
        json["update-driver"] =
            serde_json::json!({ "driver-name": driver.name, "driver-sd-unit": driver.unit });
    }
    if let Some(held) = held.first() {
        let owner = held.owner.as_ref();
        let what = owner.map_or(&held.holder.name, |owner| &owner.what);
        let since = owner.and_then(|owner| date::utc(owner.since));
        json["transaction"] = serde_json::json!([
            what,
            format!("pid {}", held.holder.pid),
            since.unwrap_or_default()
        ]);
    }
    json
}

/// Follows a path of names and indices, `$.deployments[0].checksum`; the parts of a lone match only.
fn json_path<'a>(json: &'a Value, path: &str) -> Option<&'a Value> {
    let mut at = json;
    let path = path.strip_prefix('$').unwrap_or(path);
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (name, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if !name.is_empty() {
            at = at.get(name)?;
        }
        for index in indices.split(['[', ']']).filter(|index| !index.is_empty()) {
            at = match index.trim_matches(['\'', '"']).parse::<usize>() {
                Ok(index) => at.get(index)?,
                Err(_) => at.get(index.trim_matches(['\'', '"']))?,
            };
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_names_and_indices_are_followed() {
        let json =
            serde_json::json!({ "deployments": [{ "base-commit-meta": { "a.b": 1 }, "id": "x" }] });
        assert_eq!(json_path(&json, "$.deployments[0].id"), Some(&"x".into()));
        assert_eq!(
            json_path(&json, "$['deployments'][0]['id']"),
            Some(&"x".into())
        );
        assert_eq!(json_path(&json, "deployments[1]"), None);
        assert_eq!(json_path(&json, "$"), Some(&json));
    }
}
