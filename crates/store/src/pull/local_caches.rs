//! Repositories on this machine in which objects are looked for before they are fetched.

use std::thread::Scope;

use super::error::PullError;
use super::import_pool::{ImportPool, OnImport};
use super::session::Session;
use crate::object::{ImportOptions, Importer, Trust};
use crate::repo::Repo;

/// A repository on this machine that is asked before the network.
pub(super) struct Cache<'scope> {
    pub(super) repo: &'scope Repo,
    pub(super) importer: Importer<'scope>,
    pub(super) pool: ImportPool,
}

/// Opens the caches that the options name; their importers run on threads of `scope`.
pub(super) fn open<'scope, 'a: 'scope>(
    scope: &'scope Scope<'scope, '_>,
    session: &Session<'a>,
    on_import: &'scope impl OnImport,
) -> Result<Vec<Cache<'scope>>, PullError> {
    let options = ImportOptions {
        // What stands in for the network is verified as the network is.
        trust: Trust::Verify,
        bare_user_only_files: session.options.bare_user_only_files,
    };
    let (transaction, caches) = (session.transaction, &session.options.local_caches);
    let mut opened = Vec::new();
    for repo in caches {
        opened.push(Cache {
            repo,
            importer: Importer::new(transaction, repo, options)?,
            pool: ImportPool::start(scope, transaction, repo, options, on_import)?,
        });
    }
    Ok(opened)
}
