//! cpio as it is written: `newc`, which the kernel unpacks as its first file system.

const MAGIC: &str = "070701";
/// The name of what ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";
/// What header and name, and content, are padded to.
const ALIGN: usize = 4;

/// An entry to write; its times are 0, so that equal files make equal archives.
#[derive(Clone, Copy, Debug)]
pub struct CpioHeader<'a> {
    /// Unlike that of any other entry.
    pub inode: u32,
    /// Without a leading `/`; no NUL in it.
    pub path: &'a [u8],
    /// Kind and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of content: of a file, or of a symlink's target.
    pub size: u32,
}

/// Appends a header; the content follows, and [`cpio_padding`] after it.
pub fn write_cpio_header(out: &mut Vec<u8>, header: &CpioHeader<'_>) {
    let links = 1;
    let name_bytes = u32::try_from(header.path.len() + 1).unwrap_or(u32::MAX);
    out.extend_from_slice(MAGIC.as_bytes());
    for field in [
        header.inode,
        header.mode,
        header.uid,
        header.gid,
        links,
        0,
        header.size,
        0,
        0,
        0,
        0,
        name_bytes,
        0,
    ] {
        out.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    out.extend_from_slice(header.path);
    out.push(0);
    // The header begins at a multiple of four, as all that is written before it is padded.
    cpio_padding(out);
}

/// Appends what an entry's content is padded with.
pub fn cpio_padding(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(ALIGN), 0);
}

/// Appends the end of an archive.
pub fn cpio_end(out: &mut Vec<u8>) {
    let trailer = CpioHeader {
        inode: 0,
        path: TRAILER,
        mode: 0,
        uid: 0,
        gid: 0,
        size: 0,
    };
    write_cpio_header(out, &trailer);
}
