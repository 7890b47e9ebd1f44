//! Archives made by GNU tar's and cpio's rules, byte by byte, and what is written read back.

#![expect(
    clippy::unwrap_used,
    reason = "this is test code; a panic is its way to report"
)]

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use ostler_format::Xattrs;
use ostler_format::archive::{
    ArchiveEntry, ArchiveReader, CpioHeader, EntryKind, TarHeader, TarKind, cpio_end, cpio_padding,
    tar_end, tar_padding, write_cpio_header, write_tar_entry,
};

fn written(path: &str, kind: TarKind<'_>, xattrs: &Xattrs, content: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    let header = TarHeader {
        path,
        kind,
        mode: 0o4755,
        uid: u32::MAX - 1,
        gid: 7,
        mtime: 1 << 40,
        xattrs,
    };
    write_tar_entry(&mut tar, &header).unwrap();
    tar.extend_from_slice(content);
    tar.resize(tar.len() + tar_padding(content.len() as u64), 0);
    tar
}

fn read(bytes: &[u8]) -> Vec<(ArchiveEntry, Vec<u8>)> {
    let mut reader = ArchiveReader::new(bytes).unwrap();
    let mut found = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut content = Vec::new();
        reader.read_to_end(&mut content).unwrap();
        found.push((entry, content));
    }
    found
}

#[test]
fn what_is_written_is_read_back() {
    let xattrs = Xattrs::from_pairs(vec![
        (b"user.a".to_vec(), b"1\n=2".to_vec()),
        (b"security.capability".to_vec(), vec![0, 1, 255]),
    ])
    .unwrap();
    for length in [1, 99, 100, 101, 155, 256, 5000] {
        let path = "p".repeat(length);
        let target = "t".repeat(length);
        for (kind, content) in [
            (TarKind::File(513), vec![b'x'; 513]),
            (TarKind::Directory, Vec::new()),
            (TarKind::Symlink(&target), Vec::new()),
            (TarKind::HardLink(&target), Vec::new()),
        ] {
            for xattrs in [&Xattrs::new(), &xattrs] {
                let mut tar = written(&path, kind, xattrs, &content);
                tar.extend_from_slice(&tar_end());
                let found = read(&tar);
                assert_eq!(found.len(), 1, "{kind:?} {length}");
                let (entry, read_content) = &found[0];
                assert_eq!(entry.path, path.as_bytes());
                assert_eq!(
                    (entry.mode, entry.uid, entry.gid),
                    (0o4755, u32::MAX - 1, 7)
                );
                assert_eq!((&entry.xattrs, read_content), (xattrs, &content));
                match kind {
                    TarKind::File(_) => assert_eq!(entry.kind, EntryKind::File),
                    TarKind::Directory => assert_eq!(entry.kind, EntryKind::Directory),
                    TarKind::Symlink(_) => {
                        assert_eq!(entry.kind, EntryKind::Symlink(target.clone().into()));
                    }
                    TarKind::HardLink(_) => {
                        assert_eq!(entry.kind, EntryKind::HardLink(target.clone().into()));
                    }
                }
            }
        }
    }
}

#[test]
fn the_first_header_of_an_export_has_these_bytes() {
    let mut tar = Vec::new();
    let header = TarHeader {
        path: "./",
        kind: TarKind::Directory,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: 1_234_567_890,
        xattrs: &Xattrs::new(),
    };
    write_tar_entry(&mut tar, &header).unwrap();
    assert_eq!(tar.len(), 512);
    assert_eq!(&tar[..3], b"./\0");
    assert_eq!(&tar[100..124], b"0000755\x000000000\x000000000\0");
    assert_eq!(&tar[124..148], b"00000000000\x0011145401322\0");
    assert_eq!(&tar[148..157], b"006072\0 5");
    assert_eq!(&tar[257..265], b"ustar  \0");
    assert!(tar[265..].iter().all(|byte| *byte == 0));
}

#[test]
fn an_archive_cut_anywhere_gives_its_entries_or_an_error_and_never_other_content() {
    let tar = [
        written("dir/", TarKind::Directory, &Xattrs::new(), b""),
        written(
            &"n".repeat(300),
            TarKind::File(700),
            &Xattrs::new(),
            &[7; 700],
        ),
        tar_end().to_vec(),
    ]
    .concat();
    for end in 0..tar.len() {
        let mut reader = ArchiveReader::new(&tar[..end]).unwrap();
        while let Ok(Some(entry)) = reader.next_entry() {
            let mut content = Vec::new();
            if reader.read_to_end(&mut content).is_ok() {
                assert_eq!(content.len() as u64, entry.size, "cut at {end}");
            }
        }
    }
}

#[test]
fn a_changed_byte_of_a_header_never_panics() {
    let tar = [
        written(&"n".repeat(120), TarKind::Symlink("t"), &Xattrs::new(), b""),
        written("file", TarKind::File(10), &Xattrs::new(), &[7; 10]),
    ]
    .concat();
    for at in 0..tar.len() {
        for value in [0, 1, b' ', b'/', b'7', b'9', 0x80, 0xff] {
            let mut changed = tar.clone();
            changed[at] = value;
            let mut reader = ArchiveReader::new(&changed[..]).unwrap();
            let mut entries = 0;
            while let Ok(Some(_)) = reader.next_entry() {
                entries += 1;
            }
            assert!(entries <= 3, "byte {at} as {value}");
        }
    }
}

#[test]
fn names_of_one_inode_of_a_cpio_are_told_with_it() {
    let entry = |name: &str, links: u32, size: usize, content: &str| {
        let mut bytes = format!(
            "070701{:08x}{:08x}{:08x}{:08x}{links:08x}{:08x}{size:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{name}\0",
            9, 0o100_644, 1, 2, 0, 8, 1, 0, 0, name.len() + 1, 0
        )
        .into_bytes();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend_from_slice(content.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let cpio = [
        entry("a", 2, 0, ""),
        entry("b", 2, 5, "hello"),
        entry("c", 1, 0, ""),
        entry("TRAILER!!!", 1, 0, ""),
    ]
    .concat();
    let found = read(&cpio);
    let shared = EntryKind::SharedFile {
        inode: (8 << 32 | 1, 9),
    };
    assert_eq!(found.len(), 3);
    assert_eq!((&found[0].0.kind, &found[1].0.kind), (&shared, &shared));
    assert_eq!(found[1].1, b"hello");
    assert_eq!((found[2].0.uid, found[2].0.gid), (1, 2));
    assert_eq!(found[2].0.kind, EntryKind::File);
}

#[test]
fn a_device_with_content_in_a_cpio_says_how_long_it_is() {
    let header = |name: &str, mode: u32, size: usize| {
        let name_bytes = name.len() + 1;
        let (owners, links, rest) = ("0".repeat(12), "000001", "0".repeat(17));
        format!(
            "070707000000000001{mode:06o}{owners}{links}{rest}{name_bytes:06o}{size:011o}{name}\0"
        )
    };
    let cpio = [
        header("dev", 0o020_644, 5),
        "12345".into(),
        header("TRAILER!!!", 0, 0),
    ]
    .concat();
    let mut reader = ArchiveReader::new(cpio.as_bytes()).unwrap();
    let entry = reader.next_entry().unwrap().unwrap();
    assert_eq!(entry.kind, EntryKind::Special("character device"));
    let mut content = Vec::new();
    reader.read_to_end(&mut content).unwrap();
    assert_eq!(content.len() as u64, entry.size);
    assert_eq!(reader.next_entry().unwrap(), None);
}

#[test]
fn a_written_cpio_is_what_cpio_unpacks() {
    let mut bytes = Vec::new();
    let entries: [(&[u8], u32, &[u8]); 4] = [
        (b"etc", 0o040_755, b""),
        (b"etc/odd", 0o100_600, b"12345"),
        (b"etc/empty", 0o100_644, b""),
        (b"etc/link", 0o120_777, b"odd"),
    ];
    for (inode, (path, mode, content)) in (1..).zip(entries) {
        let header = CpioHeader {
            inode,
            path,
            mode,
            uid: 0,
            gid: 0,
            size: content.len() as u32,
        };
        write_cpio_header(&mut bytes, &header);
        bytes.extend_from_slice(content);
        cpio_padding(&mut bytes);
    }
    cpio_end(&mut bytes);
    let mut reader = ArchiveReader::new(bytes.as_slice()).unwrap();
    for (path, mode, content) in entries {
        let entry = reader.next_entry().unwrap().unwrap();
        assert_eq!((entry.path.as_slice(), entry.mode), (path, mode & 0o7777));
        let mut found = Vec::new();
        match entry.kind {
            EntryKind::Symlink(target) => found = target,
            _ => {
                reader.read_to_end(&mut found).unwrap();
            }
        }
        assert_eq!(found, content);
    }
    assert_eq!(reader.next_entry().unwrap(), None);

    let temp = tempfile::tempdir().unwrap();
    let mut command = Command::new("cpio");
    command
        .args(["--extract", "--quiet"])
        .current_dir(temp.path());
    let Ok(mut cpio) = command.stdin(Stdio::piped()).spawn() else {
        return;
    };
    cpio.stdin.take().unwrap().write_all(&bytes).unwrap();
    assert!(cpio.wait().unwrap().success());
    let etc = temp.path().join("etc");
    assert_eq!(std::fs::read(etc.join("odd")).unwrap(), b"12345");
    assert_eq!(
        std::fs::read_link(etc.join("link")).unwrap().to_str(),
        Some("odd")
    );
    let mode = std::fs::metadata(etc.join("odd"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
