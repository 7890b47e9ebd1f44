//! The partition table, GPT of the UEFI specification, and the first sector before it.
//!
//! ```text
//! sector 0           boot code, then one partition of an old kind that covers the disk, so that nobody takes it for empty
//! sector 1           header; 2..34 entries of 128 bytes each
//! last 33 sectors    the entries again, and a header that points the other way
//! ```
//! All numbers are little-endian. Each header has a CRC-32 of itself and one of the entries.

use std::fs::File;

use ostler_fs::{FsError, disk};

use super::partitions::{Partition, SECTOR_BYTES};
use super::uuid::guid_bytes;

/// Bytes at either end of a disk that a table may have.
const TABLE_BYTES: u64 = 1 << 20;
const ENTRIES: usize = 128;
const ENTRY_BYTES: usize = 128;
/// Sectors of the entries.
const ENTRY_SECTORS: u64 = (ENTRIES * ENTRY_BYTES) as u64 / SECTOR_BYTES;
/// The bytes of a header that its checksum is of.
const HEADER_BYTES: usize = 92;
const BOOT_CODE_BYTES: usize = 440;

/// A partition with its identity.
pub(super) struct Entry<'a> {
    pub(super) partition: &'a Partition,
    pub(super) uuid: &'a str,
}

/// A table, and what is before it.
pub(super) struct Table<'a> {
    /// The disk's size; a multiple of a sector's.
    pub(super) bytes: u64,
    pub(super) uuid: &'a str,
    pub(super) entries: &'a [Entry<'a>],
    pub(super) boot_code: Option<&'a [u8; BOOT_CODE_BYTES]>,
}

/// Makes sure that nobody takes what is on the disk for a table, an old one or a part of a new one.
pub(super) fn erase(file: &File, bytes: u64) -> Result<(), FsError> {
    let count = TABLE_BYTES.min(bytes);
    disk::zero(file, 0..count)?;
    disk::zero(file, bytes - count..bytes)?;
    ostler_fs::file::sync(file)
}

impl Table<'_> {
    /// Writes it: the copy at the end, then the one at the start, and last the sector that makes machines look at them.
    pub(super) fn write(&self, file: &File) -> Result<(), FsError> {
        let entries = self.entry_array();
        let last = self.last_sector();
        let copy_at = last - ENTRY_SECTORS;
        disk::write_at(file, &entries, copy_at * SECTOR_BYTES)?;
        disk::write_at(
            file,
            &self.header(&entries, last, 1, copy_at),
            last * SECTOR_BYTES,
        )?;
        disk::write_at(file, &entries, 2 * SECTOR_BYTES)?;
        disk::write_at(file, &self.header(&entries, 1, last, 2), SECTOR_BYTES)?;
        ostler_fs::file::sync(file)?;
        disk::write_at(file, &self.first_sector(), 0)
    }

    fn last_sector(&self) -> u64 {
        self.bytes / SECTOR_BYTES - 1
    }

    fn entry_array(&self) -> Vec<u8> {
        let mut array = vec![0; ENTRIES * ENTRY_BYTES];
        for (bytes, entry) in array.chunks_exact_mut(ENTRY_BYTES).zip(self.entries) {
            let partition = entry.partition;
            let first = partition.first_byte / SECTOR_BYTES;
            let last = (partition.first_byte + partition.bytes) / SECTOR_BYTES - 1;
            bytes[..16].copy_from_slice(&guid_bytes(partition.role.type_guid()));
            bytes[16..32].copy_from_slice(&guid_bytes(entry.uuid));
            bytes[32..40].copy_from_slice(&first.to_le_bytes());
            bytes[40..48].copy_from_slice(&last.to_le_bytes());
            let name = partition.role.label().encode_utf16();
            for (unit, place) in name.zip(bytes[56..].chunks_exact_mut(2)) {
                place.copy_from_slice(&unit.to_le_bytes());
            }
        }
        array
    }

    /// A header that is at sector `own`, with the other one at `other`, and its entries from sector `entries_at`.
    fn header(&self, entries: &[u8], own: u64, other: u64, entries_at: u64) -> Vec<u8> {
        let mut header = Vec::with_capacity(512);
        header.extend_from_slice(b"EFI PART");
        header.extend_from_slice(&0x0001_0000_u32.to_le_bytes());
        header.extend_from_slice(&92_u32.to_le_bytes());
        header.extend_from_slice(&[0; 8]);
        let first_usable = 2 + ENTRY_SECTORS;
        let last_usable = self.last_sector() - ENTRY_SECTORS - 1;
        for sector in [own, other, first_usable, last_usable] {
            header.extend_from_slice(&sector.to_le_bytes());
        }
        header.extend_from_slice(&guid_bytes(self.uuid));
        header.extend_from_slice(&entries_at.to_le_bytes());
        for number in [128_u32, 128, crc32fast::hash(entries)] {
            header.extend_from_slice(&number.to_le_bytes());
        }
        let checksum = crc32fast::hash(&header[..HEADER_BYTES]);
        header[16..20].copy_from_slice(&checksum.to_le_bytes());
        header.resize(512, 0);
        header
    }

    fn first_sector(&self) -> [u8; 512] {
        let mut sector = [0; 512];
        if let Some(code) = self.boot_code {
            sector[..BOOT_CODE_BYTES].copy_from_slice(code);
        }
        let covered = u32::try_from(self.last_sector()).unwrap_or(u32::MAX);
        let partition = &mut sector[446..462];
        partition[..8].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff]);
        partition[8..12].copy_from_slice(&1_u32.to_le_bytes());
        partition[12..16].copy_from_slice(&covered.to_le_bytes());
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        sector
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::super::partitions::{Sizes, plan};
    use super::*;

    const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

    #[test]
    fn both_headers_lead_to_the_same_entries_and_their_checksums_hold() {
        let bytes = 1 << 30;
        let sizes = Sizes {
            disk: bytes,
            esp: 64 << 20,
            boot: None,
        };
        let partitions = plan(&sizes).unwrap();
        let entries: Vec<_> = partitions
            .iter()
            .map(|partition| Entry {
                partition,
                uuid: UUID,
            })
            .collect();
        let table = Table {
            bytes,
            uuid: UUID,
            entries: &entries,
            boot_code: Some(&[9; BOOT_CODE_BYTES]),
        };
        let file = tempfile::tempfile().unwrap();
        file.set_len(bytes).unwrap();
        table.write(&file).unwrap();
        let read = |sector: u64, count: usize| {
            let mut content = vec![0; count];
            file.read_exact_at(&mut content, sector * SECTOR_BYTES)
                .unwrap();
            content
        };
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
        let last = bytes / SECTOR_BYTES - 1;
        for (own, other) in [(1, last), (last, 1)] {
            let mut header = read(own, HEADER_BYTES);
            assert_eq!(&header[..8], b"EFI PART");
            assert_eq!(number(&header[24..32]), own);
            assert_eq!(number(&header[32..40]), other);
            let array = read(number(&header[72..80]), ENTRIES * ENTRY_BYTES);
            assert_eq!(header[88..92], crc32fast::hash(&array).to_le_bytes());
            let checksum = header[16..20].to_vec();
            header[16..20].fill(0);
            assert_eq!(checksum, crc32fast::hash(&header).to_le_bytes());
            assert_eq!(number(&array[32..40]), 2048, "the first partition's start");
            assert_eq!(&array[56..60], b"B\0I\0");
            assert!(number(&header[48..56]) >= number(&array[256 + 40..256 + 48]));
        }
        let first = read(0, 512);
        assert_eq!(first[..BOOT_CODE_BYTES], [9; BOOT_CODE_BYTES]);
        assert_eq!((first[450], &first[510..]), (0xee, &[0x55, 0xaa][..]));
        erase(&file, bytes).unwrap();
        assert_eq!(read(1, 512), [0; 512]);
        assert_eq!(read(last, 512), [0; 512]);
    }
}
