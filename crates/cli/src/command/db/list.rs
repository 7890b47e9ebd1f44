//! `db list`: the packages of a tree.

use ostler_packages::Package;
use ostler_packages::database::Installed;
use serde_json::{Value as Json, json};

use super::side::{Place, PlaceOptions, Side, full_names};
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Verb};
use crate::text;

/// Options of `db list`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    place: PlaceOptions,
    /// List the advisories in the commit's metadata, too
    #[arg(short, long)]
    advisories: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Refs, commits, numbers of deployments, or directories (with a slash: `./rootfs`); then starts of the names of packages, in which `*` and `?`
    /// stand for others. Defaults to the booted deployment, or else the next one
    #[arg(value_name = "REV... [PACKAGE...]")]
    operands: Vec<String>,
}

impl Verb for List {
    const NAME: &'static str = "list";
    const ABOUT: &'static str = "List the packages that are installed in a tree (dpkg or rpm)";
    const OPERANDS: &'static str = "[REV...] [PACKAGE...]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "db list",
            says: "what is installed in the running system",
        },
        Example {
            call: "db list --repo=repo os/stable 'linux-*'",
            says: "packages of a commit whose names begin so; nothing is checked out for that",
        },
        Example {
            call: "db list --json ./rootfs",
            says: "what is installed in a directory, for programs",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let place = self.place.open(context)?;
        let (sides, patterns) = self.operands(&place)?;
        let mut json = Vec::new();
        for side in &sides {
            let mut installed = side.installed(&place)?;
            installed
                .packages
                .retain(|package| is_wanted(package, &patterns));
            match self.json {
                true => json.push(self.as_json(&place, side, &installed)?),
                false => self.print(context, &place, side, &installed)?,
            }
        }
        if self.json {
            let text = serde_json::to_string_pretty(&Json::from(json))?;
            context.printer.line(text)?;
        }
        Ok(Exit::Done)
    }
}

impl List {
    /// The trees and the patterns; what is no tree begins the patterns.
    fn operands(&self, place: &Place) -> anyhow::Result<(Vec<Side>, Vec<&str>)> {
        let (mut sides, mut patterns) = (Vec::new(), Vec::new());
        for (at, text) in self.operands.iter().enumerate() {
            if !patterns.is_empty() {
                patterns.push(text.as_str());
                continue;
            }
            match (place.side_optional(text)?, at) {
                (Some(side), _) => sides.push(side),
                // Without a system the first one must be a tree: say so.
                (None, 0) if !place.is_system() => sides.push(place.side(text)?),
                (None, _) => patterns.push(text.as_str()),
            }
        }
        if sides.is_empty() {
            sides.push(current(place)?);
        }
        Ok((sides, patterns))
    }

    fn print(
        &self,
        context: &Context,
        place: &Place,
        side: &Side,
        installed: &Installed,
    ) -> anyhow::Result<()> {
        let printer = &context.printer;
        printer.line(format_args!("ostree commit: {}", side.shown()))?;
        for name in full_names(installed) {
            printer.line(format_args!(" {name}"))?;
        }
        if self.advisories {
            match side.advisories(place)? {
                Some(list) => printer.text(&text::packages::describe_advisories(&list))?,
                None => printer.note(format_args!("`{}` lists no advisories", side.name)),
            }
        }
        Ok(())
    }

    fn as_json(&self, place: &Place, side: &Side, installed: &Installed) -> anyhow::Result<Json> {
        let mut json = json!({
            "name": side.name,
            "commit": side.commit().map(|id| id.to_string()),
            "database": installed.database,
            "packages": installed.packages,
        });
        if self.advisories {
            json["advisories"] = serde_json::to_value(side.advisories(place)?)?;
        }
        Ok(json)
    }
}

/// The deployment that is meant where none is named.
pub(super) fn current(place: &Place) -> anyhow::Result<Side> {
    let sysroot = place.system()?;
    Ok(match sysroot.booted() {
        Some(booted) => Side::deployment(booted, "booted deployment"),
        None => Side::deployment(sysroot.at(0)?, "deployment 0"),
    })
}

fn is_wanted(package: &Package, patterns: &[&str]) -> bool {
    patterns.is_empty()
        || patterns
            .iter()
            .any(|pattern| begins(&package.name, pattern))
}

/// Whether `name` begins with what `pattern` stands for.
fn begins(name: &str, pattern: &str) -> bool {
    let (name, pattern): (Vec<char>, Vec<char>) =
        (name.chars().collect(), pattern.chars().collect());
    // For each place of the name, whether the pattern so far leads there.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for wanted in pattern {
        let mut next = vec![false; name.len() + 1];
        for at in 0..=name.len() {
            next[at] = match wanted {
                '*' => reached[..=at].contains(&true),
                '?' => at > 0 && reached[at - 1],
                letter => at > 0 && reached[at - 1] && name[at - 1] == letter,
            };
        }
        reached = next;
    }
    reached.contains(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_the_start_of_a_name() {
        for (name, pattern, expected) in [
            ("bash", "bash", true),
            ("bash-completion", "bash", true),
            ("bash", "bash-", false),
            ("bash", "", true),
            ("linux-image-6.1", "linux-*-6", true),
            ("linux-image-6.1", "*image", true),
            ("linux-image-6.1", "lin?x", true),
            ("linux", "l?nux?", false),
            ("dash", "*bash", false),
        ] {
            assert_eq!(begins(name, pattern), expected, "{name} {pattern}");
        }
    }
}
