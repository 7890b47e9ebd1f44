//! `db diff`: what changes by package.

use anyhow::Context as _;
use ostler_packages::advisories::Advisory;
use ostler_packages::changelogs::{self, Changelog};
use ostler_packages::changes::{ChangeKind, PackageChange, PackageChanges, compare};
use serde_json::{Value as Json, json};

use super::list::current;
use super::side::{Place, PlaceOptions, Side};
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Verb};
use crate::text;

/// Options of `db diff`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Diff {
    #[command(flatten)]
    place: PlaceOptions,
    /// How it is printed
    #[arg(short = 'F', long, value_enum, default_value = "block")]
    format: Format,
    /// Print JSON, as --format=json
    #[arg(long)]
    json: bool,
    /// Tell what the changelogs of upgraded packages say, as far as the trees have them
    #[arg(short, long)]
    changelogs: bool,
    /// Tell which advisories in the second commit's metadata the first has not
    #[arg(short, long)]
    advisories: bool,
    /// Leave layered packages out: look at the commits below them
    #[arg(long)]
    base: bool,
    /// From here: a ref, commit, number of a deployment, or directory (with a slash: `./rootfs`). Without any, from the booted deployment to the
    /// pending one, or from the rollback to the booted one; a lone one is TO, and the booted deployment is where it starts
    #[arg(value_name = "FROM")]
    from: Option<String>,
    /// To here
    #[arg(value_name = "TO")]
    to: Option<String>,
}

/// Forms of a difference.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// For people, by kind of change
    Block,
    /// A line a package, with `+`, `-`, and `!` before `=` for what changed
    Diff,
    /// For programs, with rpm-ostree's keys
    Json,
}

/// All that is told.
struct Found {
    sides: [Side; 2],
    changes: PackageChanges,
    changelogs: Option<Vec<Changelog>>,
    advisories: Option<Vec<Advisory>>,
}

impl Verb for Diff {
    const NAME: &'static str = "diff";
    const ABOUT: &'static str =
        "Show which packages come, go and change between two trees (dpkg or rpm)";
    const OPERANDS: &'static str = "[[FROM] TO]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "db diff --changelogs",
            says: "what the pending deployment brings, and why",
        },
        Example {
            call: "db diff --repo=repo os/stable^ os/stable",
            says: "between a commit and the one before it",
        },
        Example {
            call: "db diff --format=json 1 0",
            says: "between two deployments, by their numbers, for programs",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let place = self.place.open(context)?;
        let found = self.find(&place)?;
        if self.advisories && found.advisories.is_none() {
            let name = &found.sides[1].name;
            context
                .printer
                .note(format_args!("`{name}` lists no advisories"));
        }
        match (self.json, self.format) {
            (true, _) | (_, Format::Json) => {
                let text = serde_json::to_string_pretty(&found.as_json()?)?;
                context.printer.line(text)?;
            }
            (_, Format::Block) => context.printer.text(&found.as_blocks())?,
            (_, Format::Diff) => context.printer.text(&found.as_lines())?,
        }
        Ok(Exit::Done)
    }
}

impl Diff {
    fn sides(&self, place: &Place) -> anyhow::Result<[Side; 2]> {
        let mut sides = match (&self.from, &self.to) {
            (Some(from), Some(to)) => [place.side(from)?, place.side(to)?],
            (Some(to), None) | (None, Some(to)) => [current(place)?, place.side(to)?],
            (None, None) => deployments(place)?,
        };
        if self.base {
            for side in &mut sides {
                side.go_to_base(place)?;
            }
        }
        Ok(sides)
    }

    fn find(&self, place: &Place) -> anyhow::Result<Found> {
        let sides = self.sides(place)?;
        let installed = [sides[0].installed(place)?, sides[1].installed(place)?];
        let [before, after] = installed.map(Some);
        let changes = compare(before, after);
        let changelogs = self.changelogs.then(|| {
            let (old, new) = (sides[0].tree(place)?, sides[1].tree(place)?);
            Ok::<_, anyhow::Error>(changelogs::between(&old, &new, &changes)?)
        });
        let advisories = match self.advisories {
            true => new_advisories(place, &sides)?,
            false => None,
        };
        Ok(Found {
            changelogs: changelogs.transpose()?,
            advisories,
            sides,
            changes,
        })
    }
}

/// What is meant where nothing is named.
fn deployments(place: &Place) -> anyhow::Result<[Side; 2]> {
    let sysroot = place.system()?;
    let booted = sysroot.require_booted()?;
    let booted = Side::deployment(booted, "booted deployment");
    let (pending, rollback) = sysroot.pending_and_rollback();
    if let Some(pending) = pending {
        let pending = Side::deployment(sysroot.at(pending)?, "pending deployment");
        return Ok([booted, pending]);
    }
    let rollback = rollback
        .context("there is neither a pending nor a rollback deployment: nothing to compare with")?;
    let rollback = Side::deployment(sysroot.at(rollback)?, "rollback deployment");
    Ok([rollback, booted])
}

/// The advisories of the second side that the first has not; `None` if the second lists none.
fn new_advisories(place: &Place, sides: &[Side; 2]) -> anyhow::Result<Option<Vec<Advisory>>> {
    let known = sides[0].advisories(place)?.unwrap_or_default();
    let mut list = sides[1].advisories(place)?;
    if let Some(list) = &mut list {
        list.retain(|advisory| known.iter().all(|other| other.id != advisory.id));
    }
    Ok(list)
}

impl Found {
    fn head(&self) -> String {
        let [from, to] = &self.sides;
        format!(
            "ostree diff commit from: {}\nostree diff commit to:   {}\n",
            from.shown(),
            to.shown()
        )
    }

    fn as_blocks(&self) -> String {
        let logs = self.changelogs.as_deref().unwrap_or_default();
        let advisories = self.advisories.as_deref().unwrap_or_default();
        let changes = text::packages::describe_changes(&self.changes, logs);
        self.head() + &changes + &text::packages::describe_advisories(advisories)
    }

    fn as_lines(&self) -> String {
        let logs = self.changelogs.as_deref().unwrap_or_default();
        let advisories = self.advisories.as_deref().unwrap_or_default();
        let changes = text::packages::list_changes(&self.changes, logs);
        self.head() + &changes + &text::packages::describe_advisories(advisories)
    }

    /// With rpm-ostree's keys: of a change, its name, the number of its kind, and the packages before and after.
    fn as_json(&self) -> anyhow::Result<Json> {
        let commit = |side: &Side| side.commit().map(|id| id.to_string());
        let [from, to] = &self.sides;
        let mut json = json!({
            "ostree-commit-from": commit(from),
            "ostree-commit-to": commit(to),
            "database": self.changes.database,
            "pkgdiff": self.changes.changes.iter().flat_map(json_of).collect::<Vec<_>>(),
        });
        if let Some(logs) = &self.changelogs {
            json["changelogs"] = serde_json::to_value(logs)?;
        }
        if let Some(advisories) = &self.advisories {
            json["advisories"] = serde_json::to_value(advisories)?;
        }
        Ok(json)
    }
}

/// One entry for a package of which one version becomes another; else one for each version that comes or goes.
fn json_of(change: &PackageChange) -> Vec<Json> {
    let package = |version: &String| json!([change.name, version, change.architecture]);
    if let ([before], [after]) = (&change.before[..], &change.after[..]) {
        let number = if change.kind == ChangeKind::Downgraded {
            3
        } else {
            2
        };
        let both = json!({ "PreviousPackage": package(before), "NewPackage": package(after) });
        return vec![json!([change.name, number, both])];
    }
    let removed = change.before.iter();
    let removed =
        removed.map(|version| json!([change.name, 1, { "PreviousPackage": package(version) }]));
    let added = change.after.iter();
    let added = added.map(|version| json!([change.name, 0, { "NewPackage": package(version) }]));
    removed.chain(added).collect()
}
