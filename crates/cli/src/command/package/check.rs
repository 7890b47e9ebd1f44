//! `package check`: whether packages are whole, and who made them.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use ostler_packages::World;
use ostler_packages::file::{Checked, check};
use ostler_store::sign::openpgp::{Keyring, OpenPgpVerifier, Verdict, trusted};

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Verb};

/// Options of `package check`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Check {
    /// OpenPGP keys of which one must have signed each rpm (Debian's packages are not signed, their repositories are)
    #[arg(short, long, value_name = "FILE")]
    keyring: Vec<PathBuf>,
    /// Packages: .deb or .rpm
    #[arg(value_name = "FILE", required = true)]
    packages: Vec<PathBuf>,
}

impl Verb for Check {
    const NAME: &'static str = "check";
    const ABOUT: &'static str = "Read all of packages: whether they are whole, and of an rpm whether each checksum is right and who signed it";
    const OPERANDS: &'static str = "FILE...";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "package check --keyring=vendor.asc *.rpm",
        says: "fail unless each is whole and signed by one of these keys",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let verifier = OpenPgpVerifier::new(keyring(&self.keyring)?);
        for path in &self.packages {
            let of = || format!("`{}`", path.display());
            let file = ostler_fs::file::open_stream(path)?;
            let found = check(BufReader::new(file), &verifier).with_context(of)?;
            self.tell(context, path, &found)?;
        }
        Ok(Exit::Done)
    }
}

/// Reads keys from files.
pub(super) fn keyring(paths: &[PathBuf]) -> anyhow::Result<Keyring> {
    let mut keyring = Keyring::default();
    for path in paths {
        keyring.extend(trusted::read_keyring(path)?);
    }
    Ok(keyring)
}

impl Check {
    fn tell(&self, context: &Context, path: &Path, found: &Checked) -> anyhow::Result<()> {
        let name = found.database.full_name(&found.package);
        let good = found.signatures.iter().find(|verdict| verdict.is_good());
        let signed = match (good, found.database, self.keyring.is_empty()) {
            (Some(verdict), ..) => format!("signed by {}", verdict.fingerprint),
            (None, World::Dpkg, _) => "not signed by itself".to_owned(),
            (None, World::Rpm, true) => unbelieved(&found.signatures),
            (None, World::Rpm, false) => {
                bail!("`{}`: {}", path.display(), unbelieved(&found.signatures))
            }
        };
        let files = found.files;
        let line = format_args!("{name}: whole, {files} files, {signed}");
        Ok(context.printer.line(line)?)
    }
}

fn unbelieved(signatures: &[Verdict]) -> String {
    match signatures {
        [] => "not signed".to_owned(),
        [first, ..] => {
            let why = first.describe_here("");
            let why: Vec<&str> = why.lines().map(str::trim).collect();
            format!("its signature is not believed: {}", why.join("; "))
        }
    }
}
