//! Repositories on removable media.
//!
//! A medium is a mount beneath `/run/media` or `/media`, where desktops mount what is plugged in. Nothing outside it is
//! looked at: symlinks on it are followed within it alone.

use std::path::{Path, PathBuf};

use ostler_fs::mount::{Mount, MountTable};
use ostler_fs::{Dir, FileType};
use ostler_http::Url;

use super::{Finder, Offer, Offered, OfferedRefs, PassedOver};
use crate::collections::{CollectionRef, RemoteRefs};
use crate::remote::{Remote, SignVerify};
use crate::repo::Repo;

/// Where media are mounted.
const MEDIA: &[&str] = &["/run/media", "/media"];
/// A directory of repositories, or of symlinks to them.
const REPOS: &str = ".ostree/repos.d";
/// How many of those are looked at.
const MAX_REPOS: usize = 256;
/// Where else a repository may be, the last ones to be looked at.
const WELL_KNOWN: &[&str] = &[".ostree/repo", "ostree/repo", "var/lib/flatpak/repo"];
/// File systems that hold no files of anybody.
const SYSTEM_TYPES: &[&str] = &[
    "autofs",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "fusectl",
    "mqueue",
    "overlay",
    "proc",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

/// The roots of mounted media, by path.
pub(super) fn media(mounts: &MountTable) -> Vec<PathBuf> {
    let is_medium = |mount: &&Mount| {
        let point = &mount.mount_point;
        let beneath = |root: &&str| point.starts_with(root) && point != Path::new(root);
        MEDIA.iter().any(beneath)
            && !SYSTEM_TYPES.contains(&mount.fs_type.as_str())
            // A later mount on the same point covers it.
            && mounts.on(point).is_some_and(|on| on.id == mount.id)
    };
    let found = mounts.mounts().iter().filter(is_medium);
    let mut roots: Vec<PathBuf> = found.map(|mount| mount.mount_point.clone()).collect();
    roots.sort();
    roots
}

/// Looks at the repositories of one medium; what cannot be used is passed over.
///
/// Each wanted ref is taken from the first repository that has it.
pub(super) fn ask(
    repo: &Repo,
    root: &Path,
    wanted: &[CollectionRef],
    remotes: &[(String, Remote)],
) -> (Vec<Offer>, Vec<PassedOver>) {
    let (mut offers, mut passed_over) = (Vec::<Offer>::new(), Vec::new());
    let Ok(medium) = Dir::open_ambient(root) else {
        return (offers, passed_over);
    };
    let Ok(device) = medium.self_metadata().map(|stat| stat.dev) else {
        return (offers, passed_over);
    };
    let own = repo.dir().self_metadata().ok().map(|stat| stat.dev_ino());
    let mut seen = Vec::from_iter(own);
    let mut left: Vec<&CollectionRef> = wanted.iter().collect();
    for path in candidates(&medium) {
        let Ok(Some(dir)) = medium.open_dir_in_root_optional(path.as_str()) else {
            continue;
        };
        let Ok(stat) = dir.self_metadata() else {
            continue;
        };
        if stat.dev != device || seen.contains(&stat.dev_ino()) {
            continue;
        }
        seen.push(stat.dev_ino());
        let place = dir.shown_path();
        match ask_repo(dir, &place, &left, remotes) {
            Ok(found) => {
                left.retain(|name| !found.iter().any(|offer| offer.refs.contains_key(*name)));
                offers.extend(found);
            }
            Err(reason) => passed_over.push(PassedOver {
                place: place.display().to_string(),
                reason,
            }),
        }
    }
    (offers, passed_over)
}

/// Paths of what may be repositories on a medium, in the order in which they are looked at.
fn candidates(medium: &Dir) -> Vec<String> {
    let mut paths = Vec::new();
    if let Ok(Some(repos)) = medium.open_dir_in_root_optional(REPOS)
        && let Ok(entries) = repos.entries()
    {
        let kinds = [FileType::Directory, FileType::Symlink];
        let names = entries.iter().filter(|e| kinds.contains(&e.file_type));
        let names = names.filter_map(|entry| entry.str_name().map(|n| format!("{REPOS}/{n}")));
        paths.extend(names);
        paths.sort();
        paths.truncate(MAX_REPOS);
    }
    paths.extend(WELL_KNOWN.iter().map(|path| (*path).to_owned()));
    paths
}

/// What one repository has of `wanted`, apart by the remote whose signatures its commits must have.
fn ask_repo(
    dir: Dir,
    place: &Path,
    wanted: &[&CollectionRef],
    remotes: &[(String, Remote)],
) -> Result<Vec<Offer>, String> {
    let found = Repo::open_dir(dir, place).map_err(|error| error.to_string())?;
    let all = found
        .list_collection_refs(RemoteRefs::LeftOut)
        .map_err(|error| error.to_string())?;
    let url = Url::from_file_path(place).map_err(|()| "its path is no URL".to_owned())?;
    let mut offers: Vec<Offer> = Vec::new();
    for name in wanted {
        let Some(target) = all.get(*name) else {
            continue;
        };
        let signer = signer(remotes, name.collection.as_str())?;
        let offered = Offered {
            commit: target.commit,
            timestamp: found.read_commit(target.commit).ok().map(|c| c.timestamp),
        };
        let known = offers
            .iter_mut()
            .find(|offer| offer.remote.name == signer.name);
        match known {
            Some(offer) => {
                offer.refs.insert((*name).clone(), offered);
            }
            None => offers.push(Offer {
                remote: as_remote(signer, url.as_str()),
                finder: Finder::Mount,
                last_modified: None,
                refs: OfferedRefs::from([((*name).clone(), offered)]),
            }),
        }
    }
    Ok(offers)
}

/// The remote that says by whom commits of a collection must be signed.
fn signer<'r>(remotes: &'r [(String, Remote)], collection: &str) -> Result<&'r Remote, String> {
    let verifies = |remote: &Remote| remote.gpg_verify || remote.sign_verify != SignVerify::No;
    let mut of_collection = remotes.iter().filter(|(id, _)| id == collection);
    let found = of_collection.find(|(_, remote)| verifies(remote));
    found.map(|(_, remote)| remote).ok_or_else(|| {
        format!("no configured remote of {collection} verifies signatures, so nothing on a medium can be trusted")
    })
}

/// The medium's repository, with the name and the keys of the remote that it stands in for.
fn as_remote(signer: &Remote, url: &str) -> Remote {
    Remote {
        url: Some(url.to_owned()),
        content_url: None,
        metalink: None,
        proxy: None,
        // Media have no signed summaries: each commit's own signature is what counts.
        gpg_verify_summary: false,
        sign_verify_summary: SignVerify::No,
        ..signer.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_mounted_where_media_are_is_a_medium() {
        let text = b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
            2 1 8:17 / /run/media/ann/stick rw - vfat /dev/sdb1 rw\n\
            3 1 8:33 / /media/disk rw - ext4 /dev/sdc1 rw\n\
            4 1 0:30 / /media/tmp rw - tmpfs none rw\n\
            5 1 8:49 / /srv/disk rw - ext4 /dev/sdd1 rw\n\
            6 1 0:31 / /run/media rw - ext4 none rw\n\
            7 1 8:65 / /media/disk rw - ext4 /dev/sde1 rw\n";
        let roots = media(&MountTable::parse(text).unwrap());
        let expected = ["/media/disk", "/run/media/ann/stick"].map(PathBuf::from);
        assert_eq!(roots, expected);
    }
}
