//! The addresses in GRUB's images for BIOS machines.

/// Bytes in a sector; BIOS machines know no others.
const SECTOR: usize = 512;
/// Where the partition table's part of the first sector begins.
const BOOT_CODE_BYTES: usize = 440;
/// In boot.img: `GRUB_BOOT_MACHINE_KERNEL_SECTOR`, a little-endian u64.
const CORE_SECTOR: usize = 0x5c;
/// In boot.img: `GRUB_BOOT_MACHINE_DRIVE_CHECK`, a jump that is taken out for disks whose BIOS tells a wrong drive.
const DRIVE_CHECK: usize = 0x66;
const NOP: u8 = 0x90;
/// In diskboot.img: the first element of the list, which grows downwards from the sector's end.
const FIRST_BLOCKS: usize = SECTOR - 12;
/// `GRUB_BOOT_I386_PC_KERNEL_SEG` and the sector that is loaded already.
const SEGMENT: u16 = 0x820;

/// Images that can't be placed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BiosError {
    /// Not what GRUB 2 installs.
    #[error("`{image}` is no image of GRUB 2 for BIOS machines: {reason}")]
    Strange {
        /// Which of the two.
        image: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// It needs more room than there is.
    #[error("GRUB's core image has {sectors} sectors, and its partition {available}")]
    TooLarge {
        /// What it needs.
        sectors: u64,
        /// What there is.
        available: u64,
    },
}

/// What is written to a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BiosImages {
    /// The first bytes of the disk.
    pub boot_code: [u8; BOOT_CODE_BYTES],
    /// The first bytes of the BIOS boot partition: whole sectors.
    pub core: Vec<u8>,
}

/// Fits `boot.img` and `core.img` to a core image that begins at sector `first` of the disk and may have `available` sectors.
///
/// # Errors
/// [`BiosError`].
pub fn place(
    boot: &[u8],
    core: &[u8],
    first: u64,
    available: u64,
) -> Result<BiosImages, BiosError> {
    let strange = |image, reason| Err(BiosError::Strange { image, reason });
    if boot.len() != SECTOR || boot[SECTOR - 2..] != [0x55, 0xaa] {
        return strange("boot.img", "it is no boot sector");
    }
    if core.len() <= SECTOR {
        return strange("core.img", "it has one sector at most");
    }
    let rest = core.len().div_ceil(SECTOR) as u64 - 1;
    if rest + 1 > available {
        return Err(BiosError::TooLarge {
            sectors: rest + 1,
            available,
        });
    }
    let listed = u16::from_le_bytes([core[FIRST_BLOCKS + 8], core[FIRST_BLOCKS + 9]]);
    let segment = u16::from_le_bytes([core[FIRST_BLOCKS + 10], core[FIRST_BLOCKS + 11]]);
    if segment != SEGMENT {
        return strange("core.img", "its first sector has no list of blocks");
    }
    // Where it was made for a device the list may be in pieces; `grub-mkimage` makes one.
    if u64::from(listed) != rest {
        return strange(
            "core.img",
            "the list in its first sector is of another length",
        );
    }
    let mut boot_code = [0; BOOT_CODE_BYTES];
    boot_code.copy_from_slice(&boot[..BOOT_CODE_BYTES]);
    boot_code[CORE_SECTOR..CORE_SECTOR + 8].copy_from_slice(&first.to_le_bytes());
    boot_code[DRIVE_CHECK..DRIVE_CHECK + 2].fill(NOP);
    let mut core = core.to_vec();
    core.resize(core.len().next_multiple_of(SECTOR), 0);
    core[FIRST_BLOCKS..FIRST_BLOCKS + 8].copy_from_slice(&(first + 1).to_le_bytes());
    Ok(BiosImages { boot_code, core })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot() -> Vec<u8> {
        let mut boot = vec![7; SECTOR];
        boot[SECTOR - 2..].copy_from_slice(&[0x55, 0xaa]);
        boot
    }

    /// As `grub-mkimage` leaves it: a list of one element, in which the address is missing.
    fn core(bytes: usize) -> Vec<u8> {
        let mut core = vec![1; bytes];
        let sectors = u16::try_from(bytes.div_ceil(SECTOR) - 1).unwrap();
        core[FIRST_BLOCKS..FIRST_BLOCKS + 8].fill(0);
        core[FIRST_BLOCKS + 8..FIRST_BLOCKS + 10].copy_from_slice(&sectors.to_le_bytes());
        core[FIRST_BLOCKS + 10..FIRST_BLOCKS + 12].copy_from_slice(&SEGMENT.to_le_bytes());
        core
    }

    #[test]
    fn the_first_sector_leads_to_the_core_and_the_core_to_its_rest() {
        let images = place(&boot(), &core(1500), 0x0102_0304, 2048).unwrap();
        assert_eq!(
            images.boot_code[CORE_SECTOR..CORE_SECTOR + 8],
            [4, 3, 2, 1, 0, 0, 0, 0]
        );
        assert_eq!(images.boot_code[DRIVE_CHECK..DRIVE_CHECK + 2], [NOP; 2]);
        assert_eq!(images.boot_code[..CORE_SECTOR], [7; CORE_SECTOR]);
        assert_eq!(images.core.len(), 3 * SECTOR);
        assert_eq!(
            images.core[FIRST_BLOCKS..SECTOR],
            [5, 3, 2, 1, 0, 0, 0, 0, 2, 0, 0x20, 8]
        );
        assert_eq!(images.core[1500..], [0; 36], "the last sector is filled up");
    }

    #[test]
    fn a_core_image_that_does_not_fit_is_refused_with_both_numbers() {
        assert!(place(&boot(), &core(1024), 34, 2).is_ok());
        assert_eq!(
            place(&boot(), &core(1025), 34, 2).unwrap_err().to_string(),
            "GRUB's core image has 3 sectors, and its partition 2"
        );
    }

    #[test]
    fn images_of_something_else_are_refused() {
        let fault = |boot: &[u8], core: &[u8]| place(boot, core, 34, 2048).unwrap_err().to_string();
        assert!(fault(&[0; 512], &core(1024)).contains("`boot.img`"));
        assert!(fault(&boot()[..511], &core(1024)).contains("`boot.img`"));
        assert!(fault(&boot(), &core(512)).contains("one sector at most"));
        assert!(fault(&boot(), &[0; 2048]).contains("no list of blocks"));
        let mut short = core(2048);
        short.truncate(1024);
        assert!(fault(&boot(), &short).contains("another length"));
    }
}
