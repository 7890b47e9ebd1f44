//! The OSTree repository: objects, refs, transactions, and the verbs that work on them.
//!
//! | module | what it owns |
//! |---|---|
//! | [`repo`], [`config`], [`mode`], [`lock`] | an opened repository and its settings |
//! | [`object`] | objects on disk, read in every mode |
//! | [`transaction`] | the only writer of objects |
//! | [`refs`], [`collections`] | names of commits, and the collections that they belong to |
//! | [`mod@pull`] | commits from remotes and from other repositories |
//! | [`remote`] | the places that it pulls from |
//! | [`finder`], [`media`] | who has refs of a collection; copying them to removable media |
//! | [`sign`] | signatures of commits and summaries: made, and verified before anything is taken |
//! | [`serve`] | which of its files are sent over HTTP |
//! | [`delta`] | the static deltas that it has |
//! | [`summary`] | the list of refs that a server publishes |
//! | [`tree`], [`commit`](mod@commit) | trees in the making; a new commit |
//! | [`checkout`](mod@checkout) | a directory tree from a commit |
//! | [`mod@export`] | a tar from a commit |
//! | [`composefs`] | an EROFS image of a commit over the repository's objects |
//! | [`integrity`] | files whose content the kernel checks |
//! | [`reachable`], [`prune`](mod@prune) | what commits need; deleting the rest |
//! | [`fsck`](mod@fsck), [`repair`] | checking it; whole objects in place of damaged ones |
//! | [`diff`](mod@diff), [`changes`](mod@changes) | what differs between two trees; what changes by size |
//! | [`selinux`] | the labels that a tree's policy gives its files |
//! | [`pack`] | the objects of commits in a few large files, for clients that know of them |
//! | [`amount`] | amounts of bytes as a person writes them |
//! | [`bindings`] | the refs that a commit says it is for |
//! | [`unpack`] | streams in the usual compressions |
//! | [`progress`] | what long work says of itself |

pub mod amount;
pub mod bindings;
pub mod changes;
pub mod checkout;
pub mod collections;
pub mod commit;
pub mod composefs;
pub mod config;
pub mod delta;
pub mod diff;
mod error;
pub mod export;
pub mod finder;
pub mod fsck;
pub mod integrity;
pub mod lock;
pub mod media;
pub mod mode;
#[cfg(test)]
mod noise;
pub mod object;
pub mod pack;
mod parallel;
pub mod progress;
pub mod prune;
pub mod pull;
pub mod reachable;
pub mod refs;
pub mod remote;
pub mod repair;
mod replace;
pub mod repo;
pub mod selinux;
pub mod serve;
pub mod sign;
pub mod summary;
pub mod transaction;
pub mod tree;
pub mod unpack;

pub use collections::CollectionRef;
pub use config::RepoConfig;
pub use error::StoreError;
pub use mode::RepoMode;
pub use object::FileObject;
pub use refs::RefKey;
pub use remote::{Remote, RemoteError};
pub use repo::Repo;
pub use transaction::{Transaction, TransactionOptions, TransactionStats};
