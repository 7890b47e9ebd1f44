//! What is looked into: a commit, a deployment or a directory.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ostler_deploy::{Deployment, Sysroot, base};
use ostler_format::CommitId;
use ostler_fs::Dir;
use ostler_packages::advisories::Advisory;
use ostler_packages::database::{Installed, advisories_of_commit, installed, installed_in_commit};
use ostler_packages::tree::Tree;
use ostler_store::{Repo, StoreError};

use crate::command::admin::system;
use crate::command::store::diff::is_path;
use crate::context::Context;
use crate::grammar::{RepoOption, SysrootOption};
use crate::report::{hinted, usage};

/// Where commits are.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct PlaceOptions {
    /// Path to the repository (defaults to the current directory, $OSTREE_REPO or that of the system)
    #[arg(short, long, value_name = "PATH", conflicts_with = "sysroot")]
    repo: Option<PathBuf>,
    #[command(flatten)]
    sysroot: SysrootOption,
}

/// A repository, alone or as that of a system with deployments.
pub(super) enum Place {
    /// Directories need none.
    Nowhere,
    Repository(Box<Repo>),
    System(Box<Sysroot>),
}

/// A tree of which the packages are asked.
pub(super) struct Side {
    /// As it was named.
    pub(super) name: String,
    pub(super) what: What,
}

/// Where the tree is.
pub(super) enum What {
    Commit(CommitId),
    Directory(Dir),
}

impl PlaceOptions {
    pub(super) fn open(&self, context: &Context) -> anyhow::Result<Place> {
        let option = RepoOption {
            repo: self.repo.clone(),
        };
        let of_system = self.sysroot.path().join("ostree/repo");
        let is_system = self.sysroot.sysroot.is_some() || option.path() == of_system;
        if self.repo.is_none() && is_system && of_system.is_dir() {
            return Ok(Place::System(Box::new(system::open(&self.sysroot)?)));
        }
        if self.repo.is_none() && !option.path().join("objects").is_dir() {
            return Ok(Place::Nowhere);
        }
        Ok(Place::Repository(Box::new(option.open(context)?)))
    }
}

impl Place {
    fn repo(&self) -> anyhow::Result<&Repo> {
        match self {
            Self::Nowhere => Err(usage("Command requires a --repo argument")),
            Self::Repository(repo) => Ok(repo),
            Self::System(sysroot) => Ok(sysroot.repo()),
        }
    }

    /// Whether numbers may name deployments.
    pub(super) fn is_system(&self) -> bool {
        matches!(self, Self::System(_))
    }

    /// The system, of which the deployments are meant where nothing is named.
    pub(super) fn system(&self) -> anyhow::Result<&Sysroot> {
        match self {
            Self::System(sysroot) => Ok(sysroot),
            Self::Nowhere => Err(usage("Command requires a --repo argument")),
            Self::Repository(_) => Err(hinted(
                "a repository has no deployments: which commits?",
                "name them: a ref, or a commit",
            )),
        }
    }

    /// Finds what `text` names: a directory (with a slash at the start, or `./`), a commit, or a deployment by its number.
    pub(super) fn side(&self, text: &str) -> anyhow::Result<Side> {
        let side = self.side_optional(text)?;
        side.with_context(|| match self.is_system() {
            false => format!("`{text}` is no ref or commit"),
            true => format!("`{text}` is no ref, commit or number of a deployment"),
        })
    }

    /// As [`Place::side`], `None` if `text` names nothing.
    pub(super) fn side_optional(&self, text: &str) -> anyhow::Result<Option<Side>> {
        let name = text.to_owned();
        if is_path(text) {
            let what = What::Directory(Dir::open_ambient(Path::new(text))?);
            return Ok(Some(Side { name, what }));
        }
        match self.repo()?.resolve_optional(text) {
            Ok(Some(id)) => {
                let what = What::Commit(id);
                return Ok(Some(Side { name, what }));
            }
            // A pattern of packages is no name of a ref.
            Ok(None) | Err(StoreError::Name(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let (Self::System(sysroot), Ok(index)) = (self, text.parse::<usize>()) else {
            return Ok(None);
        };
        Ok(Some(Side::deployment(
            sysroot.at(index)?,
            format!("deployment {index}"),
        )))
    }
}

impl Side {
    pub(super) fn deployment(deployment: &Deployment, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            what: What::Commit(deployment.id.commit),
        }
    }

    /// Goes from a commit with layered packages to the one below them.
    pub(super) fn go_to_base(&mut self, place: &Place) -> anyhow::Result<()> {
        if let What::Commit(id) = self.what {
            self.what = What::Commit(base::of_commit(place.repo()?, id)?);
        }
        Ok(())
    }

    /// The commit; `None` for a directory.
    pub(super) fn commit(&self) -> Option<CommitId> {
        match self.what {
            What::Commit(id) => Some(id),
            What::Directory(_) => None,
        }
    }

    /// The name with the commit, as `rpm-ostree` shows it.
    pub(super) fn shown(&self) -> String {
        match self.commit() {
            Some(id) if id.to_string() == self.name => self.name.clone(),
            Some(id) => format!("{} ({id})", self.name),
            None => self.name.clone(),
        }
    }

    pub(super) fn tree<'a>(&'a self, place: &'a Place) -> anyhow::Result<Tree<'a>> {
        match &self.what {
            What::Commit(id) => Ok(Tree::of_commit(place.repo()?, *id)?),
            What::Directory(dir) => Ok(Tree::Directory(dir)),
        }
    }

    /// What is installed in it.
    ///
    /// # Errors
    /// It has no package database, or one that cannot be read.
    pub(super) fn installed(&self, place: &Place) -> anyhow::Result<Installed> {
        let found = match &self.what {
            What::Commit(id) => installed_in_commit(place.repo()?, *id)?,
            What::Directory(dir) => installed(&Tree::Directory(dir))?,
        };
        found.ok_or_else(|| {
            hinted(
                format!("`{}` has no package database", self.name),
                "looked for are dpkg's `status` and rpm's `rpmdb.sqlite` in /var/lib, /usr/lib/sysimage, /usr/lib and /usr/share",
            )
        })
    }

    /// The advisories that a commit lists; a directory has none.
    pub(super) fn advisories(&self, place: &Place) -> anyhow::Result<Option<Vec<Advisory>>> {
        let Some(id) = self.commit() else {
            return Ok(None);
        };
        Ok(advisories_of_commit(place.repo()?, id)?)
    }
}

/// Writes a list of packages, each as its world writes it.
pub(super) fn full_names(installed: &Installed) -> impl Iterator<Item = String> + '_ {
    let packages = installed.packages.iter();
    packages.map(|package| installed.database.full_name(package))
}
