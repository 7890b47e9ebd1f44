//! `db version`: one word for all packages of a tree.

use ostler_format::Checksum;
use serde_json::{Value as Json, json};

use super::list::current;
use super::side::{PlaceOptions, full_names};
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Verb};

/// Options of `db version`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Version {
    #[command(flatten)]
    place: PlaceOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Refs, commits, numbers of deployments, or directories (with a slash: `./rootfs`). Defaults to the booted deployment, or else the next one
    #[arg(value_name = "REV")]
    revisions: Vec<String>,
}

impl Verb for Version {
    const NAME: &'static str = "version";
    const ABOUT: &'static str = "Show the number of packages and a checksum over their names: alike for trees with the same packages";
    const OPERANDS: &'static str = "[REV...]";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "db version --repo=repo os/stable os/testing",
        says: "whether two trees have the same packages",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let place = self.place.open(context)?;
        let sides = match self.revisions.is_empty() {
            true => vec![current(&place)?],
            false => {
                let sides = self.revisions.iter().map(|text| place.side(text));
                sides.collect::<anyhow::Result<_>>()?
            }
        };
        let mut json = Vec::new();
        for side in &sides {
            let installed = side.installed(&place)?;
            let names: String = full_names(&installed).map(|name| name + "\n").collect();
            let version = format!(
                "{}:{}",
                installed.packages.len(),
                Checksum::of(names.as_bytes())
            );
            if self.json {
                let commit = side.commit().map(|id| id.to_string());
                json.push(json!({ "name": side.name, "commit": commit, "version": version }));
                continue;
            }
            let printer = &context.printer;
            printer.line(format_args!("ostree commit: {}", side.shown()))?;
            printer.line(format_args!("  {version}"))?;
        }
        if self.json {
            let text = serde_json::to_string_pretty(&Json::from(json))?;
            context.printer.line(text)?;
        }
        Ok(Exit::Done)
    }
}
