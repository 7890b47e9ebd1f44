//! Identifiers of disks, partitions and file systems.

use ostler_fs::{Dir, FsError};

const RANDOM: &str = "/proc/sys/kernel/random";

/// Returns a random UUID, as text.
pub(super) fn random() -> Result<String, FsError> {
    let bytes = Dir::open_ambient(RANDOM)?.read("uuid", 64)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// Returns the bytes of a UUID as a partition table has them: the first three fields little-endian.
pub(super) fn guid_bytes(text: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .filter_map(|digit| u8::try_from(digit).ok())
        .collect();
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

/// Returns the part of a UUID that serves as the number of a FAT file system, as `mkfs.vfat -i` takes it.
pub(super) fn fat_id(uuid: &str) -> String {
    uuid.chars()
        .filter(|c| *c != '-')
        .take(8)
        .collect::<String>()
        .to_uppercase()
}

/// Returns such a number as `UUID=` in `/etc/fstab` has it.
pub(super) fn fat_uuid(id: &str) -> String {
    let (high, low) = id.split_at(id.len() / 2);
    format!("{high}-{low}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fields_of_a_guid_are_little_endian() {
        assert_eq!(
            guid_bytes("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"),
            [
                0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e,
                0xc9, 0x3b
            ]
        );
    }

    #[test]
    fn random_ones_differ_and_a_fat_has_the_first_eight_digits() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_eq!(one.len(), 36);
        assert_ne!(one, other);
        let id = fat_id("c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        assert_eq!(
            (id.as_str(), fat_uuid(&id).as_str()),
            ("C12A7328", "C12A-7328")
        );
    }
}
