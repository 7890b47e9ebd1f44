//! Bindings: the refs and the collection that a commit says it is for.
//!
//! A server that hands out one branch's commit under another branch's name is found out by them.

use ostler_format::{CollectionId, Commit, Metadata, RefName};

/// Metadata key of the refs, `as`.
pub const REF_BINDING: &str = "ostree.ref-binding";
/// Metadata key of the collection, `s`.
pub const COLLECTION_BINDING: &str = "ostree.collection-binding";

/// A commit that is not bound to where it was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// It is bound to other refs.
    #[error(
        "Commit has no requested ref ‘{wanted}’ in ref binding metadata ({})",
        list(bound)
    )]
    OtherRefs {
        /// The ref by which it was found.
        wanted: String,
        /// The refs that it is bound to.
        bound: Vec<String>,
    },
    /// A collection's commit must be bound, and this one is not.
    #[error("Expected commit metadata to have {what} binding information, found none")]
    None {
        /// What it lacks.
        what: &'static str,
    },
    /// It is bound to another collection.
    #[error(
        "Commit has collection ID ‘{bound}’ in collection binding metadata, while the remote it came from has collection ID ‘{wanted}’"
    )]
    OtherCollection {
        /// The collection in which it was found.
        wanted: String,
        /// The collection that it is bound to.
        bound: String,
    },
}

fn list(refs: &[String]) -> String {
    let quoted: Vec<String> = refs.iter().map(|name| format!("‘{name}’")).collect();
    quoted.join(", ")
}

/// Returns the refs that a commit is bound to; `None` if it says nothing.
#[must_use]
pub fn bound_refs(metadata: &Metadata) -> Option<Vec<&str>> {
    metadata.get(REF_BINDING)?.as_strings()
}

/// Checks that a commit found as `name`, in a collection or not, is bound to it.
///
/// Outside collections a commit without bindings is accepted: many have none.
///
/// # Errors
/// [`BindingError`].
pub fn check(
    commit: &Commit,
    name: Option<&RefName>,
    collection: Option<&CollectionId>,
) -> Result<(), BindingError> {
    let Some(bound) = bound_refs(&commit.metadata) else {
        return match collection {
            None => Ok(()),
            Some(_) => Err(BindingError::None { what: "ref" }),
        };
    };
    if let Some(name) = name
        && !bound.contains(&name.as_str())
    {
        let bound = bound.into_iter().map(str::to_owned).collect();
        return Err(BindingError::OtherRefs {
            wanted: name.to_string(),
            bound,
        });
    }
    let Some(collection) = collection else {
        return Ok(());
    };
    match commit.metadata.get_str(COLLECTION_BINDING) {
        None => Err(BindingError::None {
            what: "collection ID",
        }),
        Some(bound) if bound == collection.as_str() => Ok(()),
        Some(bound) => Err(BindingError::OtherCollection {
            wanted: collection.to_string(),
            bound: bound.to_owned(),
        }),
    }
}
