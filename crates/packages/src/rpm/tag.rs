//! Numbers of a header's fields.

/// The package's name.
pub const NAME: u32 = 1000;
/// Its version.
pub const VERSION: u32 = 1001;
/// Its release.
pub const RELEASE: u32 = 1002;
/// Its epoch, a number; none is 0.
pub const EPOCH: u32 = 1003;
/// Its architecture.
pub const ARCH: u32 = 1022;
/// When each change was made, in seconds.
pub const CHANGELOG_TIME: u32 = 1080;
/// Who made each change, and the version.
pub const CHANGELOG_NAME: u32 = 1081;
/// What each change is.
pub const CHANGELOG_TEXT: u32 = 1082;
