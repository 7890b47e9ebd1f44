//! `config`: one key of the repository's configuration.

use anyhow::bail;
use ostler_format::KeyFile;

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::report::usage;

/// Options of `config`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Config {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Group of the key, where it is not part of KEY
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// `get`, `set` or `unset`
    #[arg(value_name = "OPERATION", required = true)]
    pub(crate) operation: String,
    /// KEY, and VALUE for `set`; KEY is `GROUP.KEY` unless --group is given
    #[arg(value_name = "KEY")]
    pub(crate) operands: Vec<String>,
}

impl Verb for Config {
    const NAME: &'static str = "config";
    const ABOUT: &'static str = "Get, set or unset a key of the repository's configuration";
    const OPERANDS: &'static str = "(get KEY|set KEY VALUE|unset KEY)";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "config get core.mode",
            says: "show the mode",
        },
        Example {
            call: "config set core.min-free-space-size 1GB",
            says: "keep a gigabyte free",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut repo = self.repo.open(context)?;
        let mut file = repo.config().file().clone();
        match self.operation.as_str() {
            "get" => {
                let ([], group, key) = self.operands([])?;
                context.printer.line(get(&file, &group, &key)?)?;
            }
            "set" => {
                let ([value], group, key) = self.operands(["VALUE"])?;
                file.set_string(&group, &key, &value)?;
                repo.write_config(file)?;
            }
            "unset" => {
                let ([], group, key) = self.operands([])?;
                if file.remove_key(&group, &key) {
                    repo.write_config(file)?;
                }
            }
            other => return Err(usage(format!("Unknown operation {other}"))),
        }
        Ok(Exit::Done)
    }
}

impl Config {
    /// Splits what follows the operation into the operands named `after`, the group and the key.
    fn operands<const N: usize>(
        &self,
        after: [&str; N],
    ) -> anyhow::Result<([String; N], String, String)> {
        let needed = 1 + N;
        if self.operands.len() > needed {
            bail!("Too many arguments given");
        }
        if self.operands.len() < needed {
            let names: Vec<_> = std::iter::once("KEY").chain(after).collect();
            return Err(usage(format!("{} must be specified", names.join(" and "))));
        }
        let values = std::array::from_fn(|i| self.operands[1 + i].clone());
        let key = &self.operands[0];
        match &self.group {
            Some(group) => Ok((values, group.clone(), key.clone())),
            None => match key.split_once('.') {
                Some((group, key)) => Ok((values, group.to_owned(), key.to_owned())),
                None => bail!("Key must be of the form \"sectionname.keyname\""),
            },
        }
    }
}

fn get(file: &KeyFile, group: &str, key: &str) -> anyhow::Result<String> {
    if !file.has_group(group) {
        bail!("Key file does not have group “{group}”");
    }
    match file.string(group, key)? {
        Some(value) => Ok(value),
        None => bail!("Key file does not have key “{key}” in group “{group}”"),
    }
}
