//! Random trees, the same for the same seed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, lsetxattr};

use crate::dice::Dice;

/// What a random tree may hold.
#[derive(Clone, Copy, Debug)]
pub struct Kinds {
    /// User and security xattrs; without them the tree can be committed anywhere.
    pub xattrs: bool,
    /// Owners other than root, and setuid, setgid and sticky modes. Needs root.
    pub owners: bool,
}

impl Kinds {
    /// Everything.
    pub const ALL: Self = Self {
        xattrs: true,
        owners: true,
    };
    /// What any user may make.
    pub const PLAIN: Self = Self {
        xattrs: false,
        owners: false,
    };
}

/// Makes the folder `root` with about `entries` random files, folders, symlinks and hardlinks.
///
/// Among them are empty and repeated contents, sizes around a page and around 64 KiB, names with spaces, control
/// characters, and UTF-8, and names that sort differently by byte and by letter.
pub fn write(root: &Path, seed: u64, entries: usize, kinds: Kinds) {
    let mut dice = Dice::new(seed);
    fs::create_dir(root).unwrap();
    let mut folders = vec![root.to_owned()];
    let mut files: Vec<PathBuf> = Vec::new();
    for number in 0..entries {
        let folder = folders[dice.below(folders.len() as u64) as usize].clone();
        let path = folder.join(name(&mut dice, number));
        match dice.below(10) {
            0 | 1 => {
                fs::create_dir(&path).unwrap();
                folders.push(path);
            }
            2 => symlink(target(&mut dice), &path).unwrap(),
            3 if !files.is_empty() => {
                let file = &files[dice.below(files.len() as u64) as usize];
                fs::hard_link(file, &path).unwrap();
            }
            _ => {
                fs::write(&path, content(&mut dice)).unwrap();
                files.push(path);
            }
        }
    }
    // A second pass, deepest first: a folder without write permission could not be filled.
    for path in files.iter().chain(folders[1..].iter().rev()) {
        attributes(&mut dice, path, kinds);
    }
}

fn name(dice: &mut Dice, number: usize) -> String {
    let stem = dice.pick(&[
        "file",
        "File",
        "a b",
        "ž",
        "文件",
        "-dash",
        ".hidden",
        "tab\t",
        "new\nline",
        "q\"uote'",
        "back\\slash",
        "a.b",
        "a-b",
        "a",
        "%41",
        "#",
        "~",
        "x=y",
        "\u{1}",
    ]);
    format!("{stem}{number}")
}

fn target(dice: &mut Dice) -> String {
    match dice.below(4) {
        0 => "nowhere".to_owned(),
        1 => "../../../etc/passwd".to_owned(),
        2 => format!("/absolute/{}", dice.below(100)),
        _ => "long/".repeat(1 + dice.below(200) as usize),
    }
}

fn content(dice: &mut Dice) -> Vec<u8> {
    let length = dice.pick(&[
        0, 1, 11, 100, 4095, 4096, 4097, 65535, 65536, 65537, 200_000,
    ]);
    match dice.below(4) {
        // Few different contents, so that some objects are shared.
        0 => vec![b'a' + dice.below(3) as u8; length.min(4096)],
        1 => b"the quick brown fox "
            .iter()
            .copied()
            .cycle()
            .take(length)
            .collect(),
        _ => dice.bytes(length),
    }
}

fn attributes(dice: &mut Dice, path: &Path, kinds: Kinds) {
    let is_dir = path.is_dir();
    if kinds.owners && dice.one_in(4) {
        let (uid, gid) = (
            dice.pick(&[0, 1, 33, 1000, 65534]),
            dice.pick(&[0, 8, 1000, 100_000]),
        );
        lchown(path, Some(uid), Some(gid)).unwrap();
    }
    let plain: &[u32] = if is_dir {
        &[0o755, 0o700, 0o775]
    } else {
        &[0o644, 0o600, 0o755, 0o444, 0o664]
    };
    let special: &[u32] = if is_dir {
        &[0o1777, 0o2775, 0o755]
    } else {
        &[0o4755, 0o2755, 0o6711, 0o400, 0o644]
    };
    let modes = if kinds.owners && dice.one_in(5) {
        special
    } else {
        plain
    };
    let mode = dice.pick(modes);
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    if kinds.xattrs && dice.one_in(4) {
        for _ in 0..=dice.below(3) {
            let name = format!(
                "user.{}",
                dice.pick(&["zeta", "alpha", "with.dots", "Capital"])
            );
            let length = dice.pick(&[0, 1, 16, 300]);
            let value = dice.bytes(length);
            lsetxattr(path, name.as_str(), &value, XattrFlags::empty()).unwrap();
        }
    }
    if kinds.xattrs && kinds.owners && !is_dir && dice.one_in(10) {
        // cap_net_raw+ep, revision 2.
        let capability = [
            1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        lsetxattr(
            path,
            "security.capability",
            &capability,
            XattrFlags::empty(),
        )
        .unwrap();
    }
}
