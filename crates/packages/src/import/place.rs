//! Where a file of a package is in a tree that boots. Pure.
//!
//! | in the package | in the tree |
//! |---|---|
//! | `/bin`, `/sbin`, `/lib*` | the same in `/usr` |
//! | `/etc` | `/usr/etc`, from which `/etc` is merged |
//! | `/opt/X`, `/usr/local/X` | `/usr/lib/opt/X`, `/usr/lib/usrlocal/X`, and links to them |
//! | `/var`, `/run`, `/home`, `/root`, `/srv`, `/mnt`, `/media` | made at boot, files from `/usr/share/factory` |
//! | `/boot/vmlinuz-V`, `config-V`, `System.map-V` | `/usr/lib/modules/V/` |
//! | `/boot` else | `/usr/lib/ostree-boot` |
//! | `/dev`, `/proc`, `/sys`, `/tmp` | nothing but the directories themselves, which are there |
//! | anything else | where it is |

/// Top-level directories that are links into `/usr`.
const MERGED: [&str; 8] = [
    "bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32", "etc",
];
/// Top-level directories whose content belongs to the machine, not to the tree.
const OF_MACHINE: [&str; 7] = ["var", "run", "home", "root", "srv", "mnt", "media"];
/// Top-level directories of which no package has anything.
const OF_KERNEL: [&str; 4] = ["dev", "proc", "sys", "tmp"];
/// Directories that each machine has, as the file systems' standard has them.
const STANDARD: [&str; 20] = [
    "var/lib",
    "var/log",
    "var/cache",
    "var/spool",
    "var/tmp",
    "var/mail",
    "var/opt",
    "var/local",
    "var/backups",
    "var/lock",
    "var/run",
    "run/lock",
    "usr/local/bin",
    "usr/local/sbin",
    "usr/local/lib",
    "usr/local/share",
    "usr/local/etc",
    "usr/local/include",
    "usr/local/games",
    "usr/local/src",
];
/// What of `/boot` belongs to a version of the kernel.
const OF_KERNEL_VERSION: [&str; 3] = ["vmlinuz", "config", "System.map"];

/// Where something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the tree, at this path without a slash at the start.
    Tree(String),
    /// In the tree, and a link at the first path (absolute) leads to it.
    Linked { link: String, tree: String },
    /// On the machine, at this absolute path; a file's content is in the tree at the other.
    Machine { path: String, factory: String },
    /// Nowhere: it is there on each machine.
    Everywhere,
}

/// A path that a package must not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misplaced(pub(super) &'static str);

/// Finds the place of a path without slashes at its ends and without `.` and `..` in it.
pub(super) fn place(path: &str) -> Result<Place, Misplaced> {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    if path.is_empty() || STANDARD.contains(&path) {
        return Ok(Place::Everywhere);
    }
    if MERGED.contains(&first) {
        return Ok(Place::Tree(format!("usr/{path}")));
    }
    if first == "usr" {
        return in_usr(path, rest);
    }
    if rest.is_empty()
        && (OF_MACHINE.contains(&first)
            || OF_KERNEL.contains(&first)
            || matches!(first, "boot" | "opt"))
    {
        return Ok(Place::Everywhere);
    }
    if OF_KERNEL.contains(&first) {
        return Err(Misplaced("what is there belongs to the running system"));
    }
    Ok(match first {
        "opt" => linked("var/opt", "usr/lib/opt", rest),
        "boot" => Place::Tree(in_boot(rest)),
        _ if OF_MACHINE.contains(&first) => Place::Machine {
            path: format!("/{}", without_old_names(path)),
            factory: format!("usr/share/factory/{}", without_old_names(path)),
        },
        _ => Place::Tree(path.to_owned()),
    })
}

fn in_usr(path: &str, rest: &str) -> Result<Place, Misplaced> {
    if rest == "etc" || rest.starts_with("etc/") {
        return Err(Misplaced("the defaults of /etc are there"));
    }
    Ok(match rest.strip_prefix("local") {
        Some("") => Place::Everywhere,
        Some(local) if local.starts_with('/') => {
            linked("usr/local", "usr/lib/usrlocal", &local[1..])
        }
        _ => Place::Tree(path.to_owned()),
    })
}

fn linked(from: &str, to: &str, rest: &str) -> Place {
    Place::Linked {
        link: format!("/{from}/{rest}"),
        tree: format!("{to}/{rest}"),
    }
}

fn in_boot(rest: &str) -> String {
    let of_version = rest.split_once('-').filter(|(name, version)| {
        OF_KERNEL_VERSION.contains(name) && !version.contains('/') && !version.is_empty()
    });
    match of_version {
        Some((name, version)) => format!("usr/lib/modules/{version}/{name}"),
        None => format!("usr/lib/ostree-boot/{rest}"),
    }
}

/// `/var/run` and `/var/lock` are old names.
fn without_old_names(path: &str) -> String {
    if let Some(rest) = path.strip_prefix("var/run/") {
        return format!("run/{rest}");
    }
    match path.strip_prefix("var/lock/") {
        Some(rest) => format!("run/lock/{rest}"),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_tree(path: &str) -> Place {
        Place::Tree(path.to_owned())
    }

    #[test]
    fn what_a_package_brings_is_where_a_tree_that_boots_has_it() {
        for (path, expected) in [
            ("usr/bin/x", in_tree("usr/bin/x")),
            ("bin/x", in_tree("usr/bin/x")),
            ("lib", in_tree("usr/lib")),
            (
                "lib/systemd/system/x.service",
                in_tree("usr/lib/systemd/system/x.service"),
            ),
            ("etc/x.conf", in_tree("usr/etc/x.conf")),
            (
                "boot/vmlinuz-6.1.0-1",
                in_tree("usr/lib/modules/6.1.0-1/vmlinuz"),
            ),
            ("boot/grub/x", in_tree("usr/lib/ostree-boot/grub/x")),
            ("nix/store", in_tree("nix/store")),
            ("usr/locale/x", in_tree("usr/locale/x")),
            ("opt", Place::Everywhere),
            ("usr/local/bin", Place::Everywhere),
            ("var/lib", Place::Everywhere),
            ("tmp", Place::Everywhere),
        ] {
            assert_eq!(place(path).unwrap(), expected, "{path}");
        }
        let linked = |link: &str, tree: &str| Place::Linked {
            link: link.to_owned(),
            tree: tree.to_owned(),
        };
        assert_eq!(
            place("opt/x/y").unwrap(),
            linked("/var/opt/x/y", "usr/lib/opt/x/y")
        );
        assert_eq!(
            place("usr/local/bin/x").unwrap(),
            linked("/usr/local/bin/x", "usr/lib/usrlocal/bin/x")
        );
        let machine = |path: &str| Place::Machine {
            path: format!("/{path}"),
            factory: format!("usr/share/factory/{path}"),
        };
        assert_eq!(place("var/lib/x").unwrap(), machine("var/lib/x"));
        assert_eq!(place("var/run/x").unwrap(), machine("run/x"));
        for path in ["usr/etc/x", "dev/null", "proc/x", "tmp/x"] {
            assert!(place(path).is_err(), "{path}");
        }
    }
}
