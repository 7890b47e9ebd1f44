//! What a sysroot holds after each step, by the rules as a person would state them.

use std::collections::BTreeMap;
use std::fmt;

/// A commit that was published.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub(super) id: String,
    pub(super) branch: &'static str,
    /// Counts up over all branches, as the timestamps do.
    pub(super) version: usize,
    pub(super) kernel: u64,
}

/// A deployment, by all that a person can see of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deployment {
    pub(super) stateroot: &'static str,
    /// Index of [`Model::commits`].
    pub(super) commit: usize,
    pub(super) serial: u32,
    pub(super) kargs: Vec<String>,
    /// The branch that its origin follows.
    pub(super) follows: &'static str,
    pub(super) pinned: bool,
    /// Texts of the files in `/etc`.
    pub(super) etc: BTreeMap<&'static str, String>,
}

/// Which others stay beside a new deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Others {
    #[default]
    Merge,
    All,
    Pending,
    Rollback,
}

/// How a commit is deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) others: Others,
    pub(super) not_as_default: bool,
    pub(super) no_merge: bool,
    pub(super) set_karg: Option<String>,
    pub(super) append_karg: Option<String>,
}

/// One change of a sysroot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Init(&'static str),
    Deploy(&'static str, &'static str, Options),
    Upgrade(&'static str),
    Switch(&'static str, &'static str),
    Undeploy(usize),
    SetDefault(usize),
    Pin(usize),
    Unpin(usize),
    Follow(usize, &'static str),
    SetKargs(String),
    KargIfMissing(String),
    Cleanup,
    Write(usize, &'static str, String),
    Remove(usize, &'static str),
}

/// Whether a step can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Refused,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// A sysroot and the repository that it pulls from.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) commits: Vec<Commit>,
    pub(super) stateroots: Vec<&'static str>,
    /// In boot order.
    pub(super) deployments: Vec<Deployment>,
}

impl Model {
    /// The newest commit of a branch.
    pub(super) fn head(&self, branch: &str) -> usize {
        let found = self
            .commits
            .iter()
            .rposition(|commit| commit.branch == branch);
        found.expect("each branch has a commit")
    }

    /// What `/etc` of a commit holds, untouched.
    pub(super) fn default_etc(&self, commit: usize) -> BTreeMap<&'static str, String> {
        let version = self.commits[commit].version;
        BTreeMap::from([
            ("default", format!("default {version}")),
            ("edited", "as delivered".to_owned()),
            ("removed", "as delivered".to_owned()),
            ("nested/constant", "constant".to_owned()),
        ])
    }

    /// The first deployment of a stateroot: no sysroot here is booted.
    fn merge_source(&self, stateroot: &str) -> Option<usize> {
        self.deployments
            .iter()
            .position(|deployment| deployment.stateroot == stateroot)
    }

    /// Does a step as `program` does it; what is refused changes nothing.
    pub(super) fn apply(&mut self, program: &str, step: &Step) -> Outcome {
        match step {
            Step::Init(stateroot) => self.stateroots.push(stateroot),
            Step::Deploy(stateroot, branch, options) => {
                self.add(stateroot, self.head(branch), branch, options);
            }
            Step::Upgrade(stateroot) => return self.upgrade(stateroot),
            Step::Switch(stateroot, branch) => return self.switch(stateroot, branch),
            Step::Undeploy(index) => {
                if self.deployments.len() <= *index {
                    return Outcome::Refused;
                }
                self.deployments.remove(*index);
            }
            Step::SetDefault(index) => {
                let chosen = self.deployments.remove(*index);
                self.deployments.insert(0, chosen);
            }
            Step::Pin(index) => self.deployments[*index].pinned = true,
            Step::Unpin(index) => self.deployments[*index].pinned = false,
            Step::Follow(index, branch) => {
                let deployment = &mut self.deployments[*index];
                // ostree writes a new origin file, and forgets the pin.
                deployment.pinned &= program == "ostler";
                deployment.follows = branch;
            }
            Step::SetKargs(karg) => self.deployments[0].kargs.push(karg.clone()),
            Step::KargIfMissing(karg) => self.karg_if_missing(karg),
            Step::Cleanup => {}
            Step::Write(index, name, text) => {
                self.deployments[*index].etc.insert(name, text.clone());
            }
            Step::Remove(index, name) => {
                self.deployments[*index].etc.remove(name);
            }
        }
        Outcome::Done
    }

    fn upgrade(&mut self, stateroot: &'static str) -> Outcome {
        let Some(source) = self.merge_source(stateroot) else {
            return Outcome::Refused;
        };
        let source = self.deployments[source].clone();
        let head = self.head(source.follows);
        if head < source.commit {
            return Outcome::Refused;
        }
        if head != source.commit {
            self.add(stateroot, head, source.follows, &Options::default());
        }
        Outcome::Done
    }

    fn switch(&mut self, stateroot: &'static str, branch: &'static str) -> Outcome {
        let source = self.merge_source(stateroot);
        if source.is_none_or(|source| self.deployments[source].follows == branch) {
            return Outcome::Refused;
        }
        self.add(stateroot, self.head(branch), branch, &Options::default());
        Outcome::Done
    }

    fn karg_if_missing(&mut self, karg: &str) {
        let key = |karg: &str| karg.split('=').next().map(str::to_owned);
        for deployment in &mut self.deployments {
            if !deployment.kargs.iter().any(|has| key(has) == key(karg)) {
                deployment.kargs.push(karg.to_owned());
            }
        }
    }

    fn add(
        &mut self,
        stateroot: &'static str,
        commit: usize,
        follows: &'static str,
        options: &Options,
    ) {
        let merge = match options.no_merge {
            true => None,
            false => self.merge_source(stateroot),
        };
        let new = self.new_deployment(stateroot, commit, follows, merge, options);
        let mut next = Vec::new();
        let mut new = Some(new);
        if !options.not_as_default {
            next.extend(new.take());
        }
        for (index, deployment) in self.deployments.iter().enumerate() {
            let stays = deployment.stateroot != stateroot
                || deployment.pinned
                || merge == Some(index)
                || match (options.others, merge) {
                    (Others::Merge, _) => false,
                    (Others::All, _) | (Others::Pending | Others::Rollback, None) => true,
                    (Others::Pending, Some(merge)) => index < merge,
                    (Others::Rollback, Some(merge)) => index > merge,
                };
            if stays {
                next.push(deployment.clone());
            }
            if merge == Some(index) {
                next.extend(new.take());
            }
        }
        next.extend(new.take());
        self.deployments = next;
    }

    fn new_deployment(
        &self,
        stateroot: &'static str,
        commit: usize,
        follows: &'static str,
        merge: Option<usize>,
        options: &Options,
    ) -> Deployment {
        let merge = merge.map(|index| &self.deployments[index]);
        let same = self
            .deployments
            .iter()
            .filter(|other| other.commit == commit && other.stateroot == stateroot);
        let mut etc = self.default_etc(commit);
        let mut kargs = Vec::new();
        if let Some(merge) = merge {
            let default = self.default_etc(merge.commit);
            let names = default.keys().chain(merge.etc.keys());
            for name in names.filter(|name| default.get(*name) != merge.etc.get(*name)) {
                match merge.etc.get(name) {
                    Some(text) => etc.insert(name, text.clone()),
                    None => etc.remove(name),
                };
            }
            kargs.clone_from(&merge.kargs);
        }
        if let Some(karg) = &options.set_karg {
            set(&mut kargs, karg);
        }
        kargs.extend(options.append_karg.clone());
        Deployment {
            stateroot,
            commit,
            serial: same.map(|other| other.serial + 1).max().unwrap_or(0),
            kargs,
            follows,
            pinned: false,
            etc,
        }
    }
}

/// Puts an argument in the place of the first of its key, or at the end.
fn set(kargs: &mut Vec<String>, karg: &str) {
    let key = |karg: &str| karg.split('=').next().unwrap().to_owned();
    let Some(first) = kargs.iter().position(|has| key(has) == key(karg)) else {
        kargs.push(karg.to_owned());
        return;
    };
    kargs[first] = karg.to_owned();
    let mut index = 0;
    kargs.retain(|has| {
        index += 1;
        index - 1 == first || key(has) != key(karg)
    });
}
