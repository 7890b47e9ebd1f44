//! U-Boot's environment in a file: variables under a checksum, `CRC-32 NAME=VALUE NUL ... NUL`, padded to the size that the board was built for.
//!
//! The checksum covers all that follows it, and is little-endian, as the boards are.

use std::collections::BTreeMap;

use crc32fast::hash;

const CHECKSUM_BYTES: usize = 4;

/// An environment that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UbootEnvError {
    /// The checksum does not fit: it was never written, or has another size or form.
    #[error("the checksum of the environment does not fit its {size} bytes")]
    Checksum {
        /// Bytes that were looked at.
        size: usize,
    },
    /// The variables are larger than the environment.
    #[error("the variables take {needed} bytes, and the environment has {size}")]
    Full {
        /// What they take.
        needed: usize,
        /// What there is.
        size: usize,
    },
    /// A name or value that cannot be written.
    #[error("`{0}` cannot be a variable")]
    Variable(String),
}

/// The variables of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UbootEnv {
    variables: BTreeMap<String, String>,
    size: usize,
}

impl UbootEnv {
    /// The most that is read of one.
    pub const MAX_BYTES: usize = 1 << 20;

    /// Returns an empty environment of `size` bytes, the checksum among them.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self {
            variables: BTreeMap::new(),
            size,
        }
    }

    /// Parses an environment, all of it.
    ///
    /// # Errors
    /// [`UbootEnvError::Checksum`].
    pub fn parse(bytes: &[u8]) -> Result<Self, UbootEnvError> {
        let bad = UbootEnvError::Checksum { size: bytes.len() };
        let Some((checksum, rest)) = bytes.split_first_chunk::<4>() else {
            return Err(bad);
        };
        if hash(rest) != u32::from_le_bytes(*checksum) {
            return Err(bad);
        }
        let mut variables = BTreeMap::new();
        for entry in rest.split(|byte| *byte == 0) {
            if entry.is_empty() {
                break;
            }
            let text = String::from_utf8_lossy(entry);
            let (name, value) = text.split_once('=').unwrap_or((&text, ""));
            variables.insert(name.to_owned(), value.to_owned());
        }
        let size = bytes.len();
        Ok(Self { variables, size })
    }

    /// Returns the value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Sets a variable.
    ///
    /// # Errors
    /// [`UbootEnvError::Variable`].
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), UbootEnvError> {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(UbootEnvError::Variable(name.to_owned()));
        }
        self.variables.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Returns the environment, as large as it was.
    ///
    /// # Errors
    /// [`UbootEnvError::Full`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, UbootEnvError> {
        let mut data = Vec::new();
        for (name, value) in &self.variables {
            data.extend_from_slice(format!("{name}={value}\0").as_bytes());
        }
        data.push(0);
        if CHECKSUM_BYTES + data.len() > self.size {
            return Err(UbootEnvError::Full {
                needed: CHECKSUM_BYTES + data.len(),
                size: self.size,
            });
        }
        data.resize(self.size - CHECKSUM_BYTES, 0);
        let mut bytes = hash(&data).to_le_bytes().to_vec();
        bytes.extend(data);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_reads_back_and_what_is_spoiled_does_not() {
        let mut env = UbootEnv::new(256);
        env.set("bootcount", "2").unwrap();
        env.set("altbootcmd", "setenv x 'a=b'; run y").unwrap();
        let bytes = env.to_bytes().unwrap();
        assert_eq!(bytes.len(), 256);
        assert_eq!(UbootEnv::parse(&bytes), Ok(env));
        let mut spoiled = bytes.clone();
        spoiled[100] ^= 1;
        let bad = Err(UbootEnvError::Checksum { size: 256 });
        assert_eq!(UbootEnv::parse(&spoiled), bad);
        assert!(UbootEnv::parse(b"").is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut env = UbootEnv::new(16);
        assert!(env.set("a=b", "").is_err() && env.set("a", "\0").is_err());
        env.set("a", "0123456789").unwrap();
        assert!(matches!(env.to_bytes(), Err(UbootEnvError::Full { .. })));
    }
}
