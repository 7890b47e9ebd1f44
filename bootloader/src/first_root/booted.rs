//! `/run/ostree-booted`: what was done, for the booted system to read. Its presence says that a deployment was booted.

use ostler_format::{Type, Value};
use ostler_fs::{Dir, Durability, FsError};

use super::FirstRootError;

const FILE: &str = "ostree-booted";
const MAX_BYTES: u64 = 1 << 20;

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Booted {
    /// Device and inode of the deployment's directory, which is not that of `/` with composefs.
    pub(super) backing_root: (u64, u64),
    /// Whether the root is a composefs image; and whether files must be sealed.
    pub(super) composefs: Option<Sealed>,
    /// The file with the key that fits to the commit's signature.
    pub(super) signed_by: Option<String>,
    pub(super) transient_root: bool,
    /// The transient root is mounted read-only.
    pub(super) transient_root_readonly: bool,
    pub(super) sysroot_readonly: bool,
    /// The directory of the layer over `/etc`.
    pub(super) transient_etc: Option<String>,
}

/// Whether each file of a composefs image must be sealed with fs-verity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sealed {
    No,
    Yes,
}

impl Booted {
    /// Writes the file, in `/run`.
    pub(super) fn write(&self, run: &Dir) -> Result<(), FirstRootError> {
        let bytes = self.to_value().to_bytes()?;
        // Memory: there is nothing to sync.
        run.write_atomic(FILE, bytes, 0o644, Durability::Cached)?;
        Ok(())
    }

    fn to_value(&self) -> Value {
        let (device, inode) = self.backing_root;
        let pair = Value::Tuple(vec![Value::Uint64(device), Value::Uint64(inode)]);
        let mut entries = vec![
            ("backing-root-device-inode", pair),
            ("root.transient", Value::Bool(self.transient_root)),
            ("sysroot-ro", Value::Bool(self.sysroot_readonly)),
        ];
        if self.transient_root_readonly {
            entries.push(("root.transient-ro", Value::Bool(true)));
        }
        if let Some(sealed) = self.composefs {
            entries.push(("composefs", Value::Bool(true)));
            entries.push(("composefs.verity", Value::Bool(sealed == Sealed::Yes)));
        }
        if let Some(keys) = &self.signed_by {
            entries.push(("composefs.signed", Value::Str(keys.clone())));
        }
        if let Some(layer) = &self.transient_etc {
            entries.push(("transient-etc", Value::Str(layer.clone())));
        }
        Value::vardict(
            entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value)),
        )
    }
}

/// What [`super::remount`] needs of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) composefs: bool,
    pub(super) sysroot_readonly: bool,
    pub(super) transient_etc: bool,
}

impl Facts {
    /// Reads the file; `None` if no deployment was booted. Older programs leave it empty.
    pub(super) fn read(run: &Dir) -> Result<Option<Self>, FirstRootError> {
        let Some(bytes) = run.read_optional(FILE, MAX_BYTES)? else {
            return Ok(None);
        };
        if bytes.is_empty() {
            return Ok(Some(Self::default()));
        }
        let value = Value::parse(&Type::vardict(), &bytes)?;
        let is_true = |key| value.lookup(key).and_then(|v| v.unboxed().as_bool()) == Some(true);
        Ok(Some(Self {
            composefs: is_true("composefs"),
            sysroot_readonly: is_true("sysroot-ro"),
            transient_etc: value.lookup("transient-etc").is_some(),
        }))
    }
}

/// Says whether a deployment was booted.
pub(super) fn is_booted(run: &Dir) -> Result<bool, FsError> {
    run.exists(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let temp = tempfile::tempdir().unwrap();
        let run = Dir::open_ambient(temp.path()).unwrap();
        assert_eq!(Facts::read(&run).unwrap(), None);
        let booted = Booted {
            backing_root: (7, 8),
            composefs: Some(Sealed::Yes),
            signed_by: Some("/k".to_owned()),
            sysroot_readonly: true,
            transient_etc: Some("/run/ostree/x".to_owned()),
            ..Booted::default()
        };
        booted.write(&run).unwrap();
        let facts = Facts {
            composefs: true,
            sysroot_readonly: true,
            transient_etc: true,
        };
        assert_eq!(Facts::read(&run).unwrap(), Some(facts));
        Booted::default().write(&run).unwrap();
        assert_eq!(Facts::read(&run).unwrap(), Some(Facts::default()));
    }
}
