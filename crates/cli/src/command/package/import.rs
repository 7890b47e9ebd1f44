//! `package import`: packages become commits.

use std::io::BufReader;
use std::path::PathBuf;

use anyhow::Context as _;
use ostler_packages::import::{Imported, import};
use ostler_store::sign::openpgp::OpenPgpVerifier;
use serde_json::json;

use super::check::keyring;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `package import`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Import {
    #[command(flatten)]
    repo: RepoOption,
    /// OpenPGP keys of which one must have signed each rpm
    #[arg(short, long, value_name = "FILE")]
    keyring: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Packages: .deb or .rpm
    #[arg(value_name = "FILE", required = true)]
    packages: Vec<PathBuf>,
}

impl Verb for Import {
    const NAME: &'static str = "import";
    const ABOUT: &'static str = "Make a commit of each package, its files where a tree that boots has them; scripts are kept, and not run";
    const OPERANDS: &'static str = "FILE...";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "package import --repo=repo htop_3.2.2-2_amd64.deb",
            says: "a commit at ostler/pkg/deb/htop/3.2.2-2.amd64; the same package gives the same commit",
        },
        Example {
            call: "package import --repo=repo --keyring=vendor.asc *.rpm",
            says: "commits below rpmostree/pkg, of packages that one of these keys has signed",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        let verifier = match self.keyring.is_empty() {
            true => None,
            false => Some(OpenPgpVerifier::new(keyring(&self.keyring)?)),
        };
        let mut all = Vec::new();
        for path in &self.packages {
            let of = || format!("`{}`", path.display());
            let file = BufReader::new(ostler_fs::file::open_stream(path)?);
            let sink = context.sink();
            let found = import(&repo, (path, file), verifier.as_ref(), &*sink).with_context(of)?;
            if !self.json {
                let (reference, commit) = (&found.reference, found.commit);
                context.printer.line(format_args!("{reference} {commit}"))?;
            }
            all.push(as_json(&found));
        }
        if self.json {
            context.printer.line(serde_json::to_string_pretty(&all)?)?;
        }
        Ok(Exit::Done)
    }
}

fn as_json(found: &Imported) -> serde_json::Value {
    json!({
        "database": found.database,
        "package": found.package,
        "ref": found.reference.to_string(),
        "commit": found.commit.to_string(),
    })
}
