//! `complete`: what shells ask for values that only a repository knows.

use std::path::PathBuf;

use anyhow::Context as _;
use ostler_store::{RefKey, Repo};

use crate::command::root;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Expected, RepoOption, Verb, expect_value};

/// Options of `complete`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Complete {
    /// The command line up to the cursor, with the program's name
    #[arg(value_name = "LINE", required = true)]
    line: String,
}

impl Verb for Complete {
    const NAME: &'static str = "complete";
    const ABOUT: &'static str = "Print what the last word of a command line may become";
    const OPERANDS: &'static str = "LINE";
    const HIDDEN: bool = true;

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let words: Vec<String> = self.line.split(' ').skip(1).map(str::to_owned).collect();
        let Some((path, expected)) = expect_value(root(context.personality), &words) else {
            return Ok(Exit::Done);
        };
        for candidate in candidates(&path, &expected, &words)? {
            let typed = format!("{}{}", expected.before, expected.typed);
            let whole = format!("{}{candidate}", expected.before);
            if whole.starts_with(&typed) {
                context.printer.line(whole)?;
            }
        }
        Ok(Exit::Done)
    }
}

/// What grammars call the values that are refs or commits.
const REFS: &[&str] = &[
    "OBJECT",
    "REF",
    "REFS",
    "REV",
    "REVISION",
    "REFSPEC",
    "COMMIT",
    "BRANCH",
    "REV_OR_DIR",
    "CHECKSUM",
    "PREFIX",
];
/// What they call those that are remotes.
const REMOTES: &[&str] = &["REMOTE", "REMOTENAME"];

/// Whether a repository knows values of this name, whatever the verb.
pub(super) fn is_known(value_name: &str) -> bool {
    REFS.contains(&value_name) || REMOTES.contains(&value_name)
}

/// All values that could stand there; none where the shell knows better, as for files.
fn candidates(path: &str, expected: &Expected, words: &[String]) -> anyhow::Result<Vec<String>> {
    let verb = path.split(' ').next_back().unwrap_or_default();
    let of_remote = path.contains(" remote ");
    let open = || open_repo(words);
    Ok(match expected.value_name.as_str() {
        "BRANCH" | "REFS" if verb == "pull" => refs_of_remote(&open()?, expected.operands.first())?,
        name if REFS.contains(&name) => refs(&open()?)?,
        name if REMOTES.contains(&name) => remotes(&open()?)?,
        "NAME" if of_remote && verb != "add" => remotes(&open()?)?,
        "PATH" if matches!(verb, "ls" | "cat") => match expected.operands.first() {
            Some(commit) => paths(&open()?, commit, &expected.typed)?,
            None => Vec::new(),
        },
        _ => Vec::new(),
    })
}

/// The repository that the command line names, else the default one.
fn open_repo(words: &[String]) -> anyhow::Result<Repo> {
    let mut option = RepoOption::default();
    for (index, word) in words.iter().enumerate() {
        if let Some(path) = word.strip_prefix("--repo=") {
            option.repo = Some(PathBuf::from(path));
        } else if word == "--repo" {
            option.repo = words.get(index + 1).map(PathBuf::from);
        }
    }
    Repo::open(option.path()).context("opening repo")
}

fn refs(repo: &Repo) -> anyhow::Result<Vec<String>> {
    let refs = repo.list_refs(None)?;
    Ok(refs.keys().map(ToString::to_string).collect())
}

/// The refs that have been pulled from a remote, without its name.
fn refs_of_remote(repo: &Repo, remote: Option<&String>) -> anyhow::Result<Vec<String>> {
    let refs = repo.list_refs(None)?;
    let of_remote = refs.keys().filter_map(|key| match key {
        RefKey::Remote { remote: of, name } if Some(of.as_str()) == remote.map(String::as_str) => {
            Some(name.to_string())
        }
        _ => None,
    });
    Ok(of_remote.collect())
}

fn remotes(repo: &Repo) -> anyhow::Result<Vec<String>> {
    let remotes = repo.remotes(repo.remotes_dir(None).as_deref())?;
    Ok(remotes.into_iter().map(|remote| remote.name).collect())
}

/// The entries of the directory of a commit that `typed` leads into; directories end with a slash.
fn paths(repo: &Repo, commit: &str, typed: &str) -> anyhow::Result<Vec<String>> {
    let mut tree = repo.read_dirtree(repo.read_commit(repo.resolve(commit)?)?.tree)?;
    let (parent, _) = typed.rsplit_once('/').unwrap_or_default();
    for part in parent.split('/').filter(|part| !part.is_empty()) {
        let Some(dir) = tree.dirs.iter().find(|dir| dir.name == part) else {
            return Ok(Vec::new());
        };
        tree = repo.read_dirtree(dir.tree)?;
    }
    let dirs = tree
        .dirs
        .iter()
        .map(|dir| format!("{parent}/{}/", dir.name));
    let files = tree
        .files
        .iter()
        .map(|(name, _)| format!("{parent}/{name}"));
    Ok(dirs.chain(files).collect())
}
