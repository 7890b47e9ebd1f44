//! `package show`: what a package says of itself.

use std::io::BufReader;
use std::path::PathBuf;

use anyhow::Context as _;
use ostler_packages::file::{Description, Files, describe};

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Verb};
use crate::text;

/// Options of `package show`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Show {
    /// List the files that it brings
    #[arg(short, long)]
    files: bool,
    /// Print the scripts that are run when it is installed and removed
    #[arg(short, long)]
    scripts: bool,
    /// Print JSON, with scripts, and with files where --files asks for them
    #[arg(long)]
    json: bool,
    /// Packages: .deb or .rpm
    #[arg(value_name = "FILE", required = true)]
    packages: Vec<PathBuf>,
}

impl Verb for Show {
    const NAME: &'static str = "show";
    const ABOUT: &'static str =
        "Show what packages say of themselves; nothing is checked and nothing is run";
    const OPERANDS: &'static str = "FILE...";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "package show --files htop_3.2.2-2_amd64.deb",
            says: "what it is, what it needs, and which files it brings",
        },
        Example {
            call: "package show --json htop-3.2.2-2.fc40.x86_64.rpm",
            says: "the same for programs, for a package of the other world",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let files = match self.files {
            true => Files::List,
            false => Files::Omit,
        };
        let mut json = Vec::new();
        for (at, path) in self.packages.iter().enumerate() {
            let of = || format!("`{}`", path.display());
            let file = ostler_fs::file::open_stream(path)?;
            let found = describe(BufReader::new(file), files).with_context(of)?;
            if self.json {
                json.push(serde_json::to_value(found)?);
                continue;
            }
            if at > 0 {
                context.printer.line("")?;
            }
            context.printer.text(&self.text(&found))?;
        }
        if self.json {
            let text = serde_json::to_string_pretty(&json)?;
            context.printer.line(text)?;
        }
        Ok(Exit::Done)
    }
}

impl Show {
    fn text(&self, found: &Description) -> String {
        let mut text = text::package_file::describe(found);
        if self.scripts {
            text += &text::package_file::describe_scripts(&found.scripts);
        }
        if let Some(files) = &found.files {
            text += &text::package_file::list_files(files);
        }
        text
    }
}
