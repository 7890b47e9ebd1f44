//! Numbers of a header's fields.

/// The package's name.
pub const NAME: u32 = 1000;
/// Its version.
pub const VERSION: u32 = 1001;
/// Its release.
pub const RELEASE: u32 = 1002;
/// Its epoch, a number; none is 0.
pub const EPOCH: u32 = 1003;
/// What it is, in a line.
pub const SUMMARY: u32 = 1004;
/// What it is, in words.
pub const DESCRIPTION: u32 = 1005;
/// When it was built, in seconds.
pub const BUILD_TIME: u32 = 1006;
/// Bytes that its files take.
pub const SIZE: u32 = 1009;
/// As [`SIZE`], where that is beyond 32 bits.
pub const LONG_SIZE: u32 = 5009;
/// Its architecture.
pub const ARCH: u32 = 1022;
/// The package of sources that it was built from.
pub const SOURCE_RPM: u32 = 1044;
/// How the archive of its files is compressed.
pub const PAYLOAD_COMPRESSOR: u32 = 1125;
/// The checksum of the archive, as it is compressed.
pub const PAYLOAD_DIGEST: u32 = 5092;
/// The kind of that checksum.
pub const PAYLOAD_DIGEST_KIND: u32 = 5093;
/// When each change was made, in seconds.
pub const CHANGELOG_TIME: u32 = 1080;
/// Who made each change, and the version.
pub const CHANGELOG_NAME: u32 = 1081;
/// What each change is.
pub const CHANGELOG_TEXT: u32 = 1082;

/// Of each file, the size; 32 bits.
pub const FILE_SIZES: u32 = 1028;
/// Of each file, the size; 64 bits.
pub const LONG_FILE_SIZES: u32 = 5008;
/// Of each file, type and permissions.
pub const FILE_MODES: u32 = 1030;
/// Of each file, the checksum of its content.
pub const FILE_DIGESTS: u32 = 1035;
/// Of all files, the kind of that checksum.
pub const FILE_DIGEST_KIND: u32 = 5011;
/// Of each file, where a symlink leads.
pub const FILE_LINKS: u32 = 1036;
/// Of each file, [`super::files::FileFlags`].
pub const FILE_FLAGS: u32 = 1037;
/// Of each file, the name of its owner.
pub const FILE_USERS: u32 = 1039;
/// Of each file, the name of its group.
pub const FILE_GROUPS: u32 = 1040;
/// Of each file, its name.
pub const BASE_NAMES: u32 = 1117;
/// Of each file, the place of its directory in [`DIR_NAMES`].
pub const DIR_INDEXES: u32 = 1116;
/// Directories, with a slash at the end.
pub const DIR_NAMES: u32 = 1118;
/// Of each file, its whole path: how old packages name them.
pub const OLD_FILE_NAMES: u32 = 1027;
/// Of each file, its capabilities as text.
pub const FILE_CAPS: u32 = 5010;

/// In the header of signatures: a signature of the header by an RSA key.
pub const SIGNATURE_RSA: u32 = 268;
/// In the header of signatures: one by a key of another kind.
pub const SIGNATURE_DSA: u32 = 267;
/// In the header of signatures: several, in base64.
pub const SIGNATURE_OPENPGP: u32 = 278;
/// In the header of signatures: the SHA-256 of the header, as text.
pub const SIGNATURE_SHA256: u32 = 273;
