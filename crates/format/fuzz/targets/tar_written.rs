#![no_main]

use libfuzzer_sys::fuzz_target;
use ostler_format::Xattrs;
use ostler_format::archive::{
    ArchiveReader, EntryKind, TarHeader, TarKind, tar_end, write_tar_entry,
};

// What is written is read back as it was.
fuzz_target!(|input: (&str, &str, [u32; 3], u64, &[u8])| {
    let (path, target, [mode, uid, gid], mtime, value) = input;
    let Ok(xattrs) = Xattrs::from_pairs(vec![(b"user.x".to_vec(), value.to_vec())]) else {
        return;
    };
    let kind = match target {
        "" => TarKind::Directory,
        target => TarKind::Symlink(target),
    };
    let entry = TarHeader {
        path,
        kind,
        mode: mode & 0o7777,
        uid,
        gid,
        mtime,
        xattrs: &xattrs,
    };
    let mut tar = Vec::new();
    if write_tar_entry(&mut tar, &entry).is_err() || target.len() + path.len() > 1 << 16 {
        return;
    }
    tar.extend_from_slice(&tar_end());
    let mut reader = ArchiveReader::new(&tar[..]).unwrap();
    let found = reader.next_entry().unwrap().unwrap();
    assert_eq!(found.path, path.as_bytes());
    assert_eq!((found.mode, found.uid, found.gid), (mode & 0o7777, uid, gid));
    assert_eq!(found.xattrs, xattrs);
    match found.kind {
        EntryKind::Symlink(found) => assert_eq!(found, target.as_bytes()),
        kind => assert_eq!(kind, EntryKind::Directory),
    }
    assert!(reader.next_entry().unwrap().is_none());
});
