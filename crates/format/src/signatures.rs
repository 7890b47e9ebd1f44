//! Signatures as they are stored: lists of byte arrays, one list a kind, in detached metadata and in `summary.sig`.
//!
//! What a signature is over, and whether it is good, is not known here.

use crate::error::ObjectError;
use crate::metadata::Metadata;
use crate::variant::{Type, Value};

/// The most signatures of one kind that are read.
pub const MAX_SIGNATURES: usize = 256;

/// The largest signature that is read, in bytes.
pub const MAX_SIGNATURE_SIZE: usize = 64 << 10;

/// A kind of signature, each under its own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureKind {
    /// OpenPGP signature packets: `ostree.gpgsigs`.
    OpenPgp,
    /// 64 bytes of Ed25519: `ostree.sign.ed25519`.
    Ed25519,
    /// Signatures by a key in X.509's SubjectPublicKeyInfo form: `ostree.sign.spki`.
    Spki,
    /// The key itself in place of a signature, for tests: `ostree.sign.dummy`.
    Dummy,
}

impl SignatureKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::OpenPgp, Self::Ed25519, Self::Spki, Self::Dummy];

    /// The key under which signatures of this kind are stored.
    pub const fn metadata_key(self) -> &'static str {
        match self {
            Self::OpenPgp => "ostree.gpgsigs",
            Self::Ed25519 => "ostree.sign.ed25519",
            Self::Spki => "ostree.sign.spki",
            Self::Dummy => "ostree.sign.dummy",
        }
    }

    /// The signatures of this kind, in stored order; none if the key is absent.
    ///
    /// # Errors
    /// A value that is not of type `aay`, more than [`MAX_SIGNATURES`], one larger than [`MAX_SIGNATURE_SIZE`].
    pub fn read(self, metadata: &Metadata) -> Result<Vec<&[u8]>, ObjectError> {
        let object = self.metadata_key();
        let Some(value) = metadata.get(object) else {
            return Ok(Vec::new());
        };
        let Value::Array(item, items) = value else {
            return Err(self.not_a_list());
        };
        if *item != signature_type() {
            return Err(self.not_a_list());
        }
        if items.len() > MAX_SIGNATURES {
            return Err(ObjectError::Field {
                object,
                problem: "there are more than 256 signatures",
            });
        }
        let mut signatures = Vec::with_capacity(items.len());
        for item in items {
            let bytes = item.as_bytes().ok_or_else(|| self.not_a_list())?;
            if bytes.len() > MAX_SIGNATURE_SIZE {
                return Err(ObjectError::TooLarge {
                    object,
                    found: bytes.len() as u64,
                    limit: MAX_SIGNATURE_SIZE as u64,
                });
            }
            signatures.push(bytes);
        }
        Ok(signatures)
    }

    /// Replaces the signatures of this kind; an empty list takes the key away.
    pub fn write(self, metadata: &mut Metadata, signatures: Vec<Vec<u8>>) {
        let key = self.metadata_key();
        if signatures.is_empty() {
            metadata.remove(key);
            return;
        }
        let items = signatures.into_iter().map(Value::Bytes).collect();
        metadata.insert(key, Value::Array(signature_type(), items));
    }

    fn not_a_list(self) -> ObjectError {
        ObjectError::Field {
            object: self.metadata_key(),
            problem: "it is not of type aay",
        }
    }
}

fn signature_type() -> Type {
    Type::array(Type::Byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_come_back_in_order_and_each_kind_by_itself() {
        let mut metadata = Metadata::new();
        metadata.push("note", "apart");
        let two = vec![vec![1, 2], vec![]];
        SignatureKind::OpenPgp.write(&mut metadata, two.clone());
        SignatureKind::Ed25519.write(&mut metadata, vec![vec![7; 64]]);
        let bytes = metadata.to_bytes().unwrap();
        let read = Metadata::parse(&bytes).unwrap();
        assert_eq!(SignatureKind::OpenPgp.read(&read).unwrap(), two);
        assert_eq!(SignatureKind::Ed25519.read(&read).unwrap(), [[7; 64]]);
        assert!(SignatureKind::Spki.read(&read).unwrap().is_empty());
    }

    #[test]
    fn an_empty_list_takes_the_key_away() {
        let mut metadata = Metadata::new();
        SignatureKind::Spki.write(&mut metadata, vec![vec![1]]);
        SignatureKind::Spki.write(&mut metadata, Vec::new());
        assert!(metadata.is_empty());
    }

    #[test]
    fn what_is_no_list_of_signatures_is_refused() {
        let key = SignatureKind::Ed25519.metadata_key();
        let array = |value: Value| Value::Array(value.ty(), vec![value]);
        let many = vec![Value::Bytes(Vec::new()); MAX_SIGNATURES + 1];
        for (value, why) in [
            (Value::from("text"), "a string"),
            (Value::Bytes(vec![1]), "one byte array"),
            (array(Value::from("x")), "strings"),
            (
                array(Value::Bytes(vec![0; MAX_SIGNATURE_SIZE + 1])),
                "too large",
            ),
            (Value::Array(signature_type(), many), "too many"),
        ] {
            let mut metadata = Metadata::new();
            metadata.push(key, value);
            assert!(SignatureKind::Ed25519.read(&metadata).is_err(), "{why}");
        }
    }
}
