//! SHA-256 checksums, the hasher that makes them, and the typed ids that objects refer to each other by.

use std::fmt;
use std::io;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Bytes in a checksum.
pub const CHECKSUM_LEN: usize = 32;
/// Characters of a checksum in hex.
pub const CHECKSUM_HEX_LEN: usize = 64;

/// A checksum that is not one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChecksumError {
    /// The bytes are not exactly 32.
    #[error("a checksum has 32 bytes, this has {found}")]
    Length {
        /// Number of bytes that were given.
        found: usize,
    },
    /// The text is not exactly 64 lowercase hex digits.
    #[error("`{text}` is not a checksum of 64 lowercase hex digits")]
    Hex {
        /// At most 80 characters of the text.
        text: String,
    },
    /// The text is not the 43-character base64 form that static deltas are named by.
    #[error("`{text}` is not a checksum in the base64 form of delta names")]
    DeltaName {
        /// At most 80 characters of the text.
        text: String,
    },
}

fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

/// A SHA-256 checksum; orders as its bytes, which is also the order of its hex form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checksum([u8; CHECKSUM_LEN]);

impl Checksum {
    /// Wraps 32 raw bytes.
    pub const fn new(bytes: [u8; CHECKSUM_LEN]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; CHECKSUM_LEN] {
        &self.0
    }

    /// Takes raw bytes whose number is not known to be 32.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, ChecksumError> {
        match bytes.try_into() {
            Ok(array) => Ok(Self(array)),
            Err(_) => Err(ChecksumError::Length { found: bytes.len() }),
        }
    }

    /// Parses exactly 64 lowercase hex digits.
    pub fn from_hex(text: &str) -> Result<Self, ChecksumError> {
        let digits = text.as_bytes();
        let bad = || ChecksumError::Hex {
            text: excerpt(text),
        };
        if digits.len() != CHECKSUM_HEX_LEN {
            return Err(bad());
        }
        let mut bytes = [0; CHECKSUM_LEN];
        let mut seen = 0;
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = HEX_VALUES[usize::from(pair[0])];
            let low = HEX_VALUES[usize::from(pair[1])];
            seen |= high | low;
            *byte = high << 4 | low & 15;
        }
        if seen > 15 {
            return Err(bad());
        }
        Ok(Self(bytes))
    }

    /// The 64 lowercase hex digits.
    pub fn to_hex(&self) -> String {
        String::from(self.hex().as_str())
    }

    /// The hex digits without an allocation.
    pub fn hex(&self) -> ChecksumHex {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; CHECKSUM_HEX_LEN];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        ChecksumHex(text)
    }

    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The form in the names of static deltas: 43 characters of unpadded base64, `/` written `_`.
    pub fn to_delta_name(&self) -> String {
        STANDARD_NO_PAD.encode(self.0).replace('/', "_")
    }

    /// Reads what [`Checksum::to_delta_name`] wrote.
    pub fn from_delta_name(text: &str) -> Result<Self, ChecksumError> {
        let bad = || ChecksumError::DeltaName {
            text: excerpt(text),
        };
        if text.len() != 43 || text.contains('/') {
            return Err(bad());
        }
        let bytes = STANDARD_NO_PAD
            .decode(text.replace('_', "/"))
            .map_err(|_| bad())?;
        Self::from_slice(&bytes).map_err(|_| bad())
    }
}

/// What a byte is worth as a lowercase hex digit; more than 15 for one that is none. Repositories are listed name by name.
const HEX_VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// The hex form of a [`Checksum`], held inline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChecksumHex([u8; CHECKSUM_HEX_LEN]);

impl ChecksumHex {
    /// The 64 digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hex digits are ASCII")
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.hex().as_str())
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({self})")
    }
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        Self::from_hex(text)
    }
}

/// A running SHA-256; uses the processor's SHA instructions where it has them.
#[derive(Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Starts with no bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes added.
    pub fn finish(self) -> Checksum {
        Checksum(self.0.finalize().into())
    }

    /// Adds all that `content` gives, read through `buffer`; returns the checksum and how many bytes that were.
    ///
    /// # Errors
    /// Those of `content` but [`io::ErrorKind::Interrupted`], after which it is asked again.
    pub fn finish_with(
        mut self,
        content: &mut dyn io::Read,
        buffer: &mut [u8],
    ) -> io::Result<(Checksum, u64)> {
        let mut length = 0;
        loop {
            match content.read(buffer) {
                Ok(0) => return Ok((self.finish(), length)),
                Ok(got) => {
                    self.update(&buffer[..got]);
                    length += got as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Checksum);

        impl $name {
            /// Declares that `checksum` names an object of this kind.
            pub const fn new(checksum: Checksum) -> Self {
                Self(checksum)
            }

            /// The checksum without its kind.
            pub const fn checksum(&self) -> Checksum {
                self.0
            }
        }

        impl From<Checksum> for $name {
            fn from(checksum: Checksum) -> Self {
                Self(checksum)
            }
        }

        impl From<$name> for Checksum {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ChecksumError;

            fn from_str(text: &str) -> Result<Self, ChecksumError> {
                Checksum::from_hex(text).map(Self)
            }
        }
    };
}

typed_id!(
    /// Names a commit: the SHA-256 of the commit object's bytes.
    CommitId
);
typed_id!(
    /// Names a directory listing: the SHA-256 of the dirtree object's bytes.
    DirTreeId
);
typed_id!(
    /// Names a directory's owner, mode and xattrs: the SHA-256 of the dirmeta object's bytes.
    DirMetaId
);
typed_id!(
    /// Names a regular file or symlink: the SHA-256 of its content stream (header, then content).
    FileId
);

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_TREE: &str = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";

    #[test]
    fn one_zero_byte_has_the_checksum_of_the_empty_dirtree() {
        let sum = Checksum::of(&[0]);
        assert_eq!(sum.to_hex(), EMPTY_TREE);
        assert_eq!(EMPTY_TREE.parse(), Ok(sum));
        assert_eq!(
            format!("{:?}", DirTreeId::new(sum)),
            format!("DirTreeId({EMPTY_TREE})")
        );
    }

    #[test]
    fn hex_is_refused_unless_64_lowercase_digits() {
        for bad in [
            "",
            &EMPTY_TREE[1..],
            &EMPTY_TREE.to_uppercase(),
            &format!("{EMPTY_TREE}0"),
            &EMPTY_TREE.replace('6', "g"),
            &format!("+{}", &EMPTY_TREE[1..]),
            &"é".repeat(32),
        ] {
            assert!(Checksum::from_hex(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn delta_names_have_43_characters_without_a_slash_and_read_back() {
        for seed in 0u32..500 {
            let sum = Checksum::of(&seed.to_be_bytes());
            let name = sum.to_delta_name();
            assert_eq!(name.len(), 43);
            assert!(!name.contains(['/', '=']));
            assert_eq!(Checksum::from_delta_name(&name), Ok(sum));
        }
        assert!(Checksum::from_delta_name(&"/".repeat(43)).is_err());
        assert!(Checksum::from_delta_name("").is_err());
    }

    #[test]
    fn a_hasher_fed_in_pieces_agrees_with_one_pass() {
        let mut hasher = Hasher::new();
        hasher.update(b"ab");
        io::Write::write_all(&mut hasher, b"c").unwrap();
        assert_eq!(hasher.finish(), Checksum::of(b"abc"));
    }
}
