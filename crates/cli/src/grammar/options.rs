//! Options that several verbs share.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ostler_store::Repo;

use crate::context::Context;
use crate::report;

/// Which repository.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct RepoOption {
    /// Path to the repository (defaults to the current directory, $OSTREE_REPO or /ostree/repo)
    #[arg(long = "repo", value_name = "PATH")]
    pub(crate) repo: Option<PathBuf>,
}

/// Which system.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct SysrootOption {
    /// Path to the system's physical root (defaults to $OSTREE_SYSROOT or /)
    #[arg(long = "sysroot", value_name = "PATH")]
    pub(crate) sysroot: Option<PathBuf>,
}

/// How much of the network is used.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct LinkOptions {
    /// Download at most RATE bytes a second, by all connections together; K, M and G are powers of 1024, 0 is no limit
    /// (defaults to limit-rate of the remote, else of [core])
    #[arg(
        long,
        value_name = "RATE",
        value_parser = parse_rate,
        help_heading = "Network"
    )]
    pub(crate) limit_rate: Option<u64>,
}

fn parse_rate(text: &str) -> Result<u64, String> {
    let expected = || format!("`{text}` is no number of bytes, with K, M, G or T: 500K");
    ostler_store::amount::parse_amount(text).ok_or_else(expected)
}

impl RepoOption {
    /// Returns the path that was given, else the default one: `.` if it holds a repository, `$OSTREE_REPO`, and the
    /// system's own.
    pub(crate) fn path(&self) -> PathBuf {
        if let Some(path) = &self.repo {
            return path.clone();
        }
        if Path::new("objects").is_dir() && Path::new("config").is_file() {
            return PathBuf::from(".");
        }
        match std::env::var_os("OSTREE_REPO").filter(|value| !value.is_empty()) {
            Some(path) => PathBuf::from(path),
            None => SysrootOption::default().path().join("ostree/repo"),
        }
    }
}

impl RepoOption {
    /// Opens the repository at [`RepoOption::path`].
    ///
    /// # Errors
    /// None was named and there is no default one; the one that was named can't be opened.
    pub(crate) fn open(&self, context: &Context) -> anyhow::Result<Repo> {
        let path = self.path();
        if self.repo.is_none() && !path.join("objects").is_dir() {
            return Err(report::usage("Command requires a --repo argument"));
        }
        let repo = Repo::open(&path).context("opening repo")?;
        context.printer.debug(format_args!(
            "repository `{}`, mode {}",
            path.display(),
            repo.mode()
        ));
        Ok(repo)
    }
}

impl SysrootOption {
    /// Returns the path that was given, else `$OSTREE_SYSROOT`, else `/`.
    pub(crate) fn path(&self) -> PathBuf {
        if let Some(path) = &self.sysroot {
            return path.clone();
        }
        match std::env::var_os("OSTREE_SYSROOT").filter(|value| !value.is_empty()) {
            Some(path) => PathBuf::from(path),
            None => PathBuf::from("/"),
        }
    }
}
