//! GnuPG's keybox, the form of a `pubring.kbx`: which of its bytes are certificates.
//!
//! ```text
//! file  = blob, blob, ...               numbers are big-endian
//! blob  = length: u32   of the whole blob
//!         type:   u8    0 deleted, 1 header (the first one), 2 OpenPGP, 3 X.509
//!         version: u8, flags: u16
//!         OpenPGP: start: u32, length: u32   of the packets within the blob; what follows is an index of them
//!         header:  "KBXf"
//! ```

/// Type of a blob that holds the packets of an OpenPGP certificate.
const OPENPGP: u8 = 2;

/// Whether these are the bytes of a keybox.
pub(super) fn is_keybox(bytes: &[u8]) -> bool {
    bytes.get(8..12) == Some(b"KBXf")
}

/// The OpenPGP packets of each certificate in a keybox, in the order of the file. Other blobs are passed over.
///
/// # Errors
/// A blob or its packets reach beyond the end of what they are in.
pub(super) fn certificates(bytes: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let fault = || format!("the keybox is damaged at byte {at}");
        let length = number(rest, 0).filter(|length| *length > 4);
        let (blob, after) = length
            .and_then(|length| rest.split_at_checked(length))
            .ok_or_else(fault)?;
        if blob.get(4) == Some(&OPENPGP) {
            found.push(packets(blob).ok_or_else(fault)?);
        }
        rest = after;
    }
    Ok(found)
}

fn packets(blob: &[u8]) -> Option<&[u8]> {
    let start = number(blob, 8)?;
    let end = start.checked_add(number(blob, 12)?)?;
    blob.get(start..end)
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_be_bytes(*bytes)).ok()
}
