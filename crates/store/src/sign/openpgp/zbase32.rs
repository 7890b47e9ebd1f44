//! z-base-32, the spelling of hashes in addresses of Web Key Directories. Pure.

const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";

/// Spells bytes, five bits a letter, the last letter filled up with zeros.
pub(super) fn encode(bytes: &[u8]) -> String {
    let bits = bytes.len() * 8;
    let letter = |start: usize| {
        let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
        let index = (start..start + 5).fold(0, |index, at| index << 1 | usize::from(bit(at)));
        char::from(ALPHABET[index])
    };
    (0..bits).step_by(5).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of the specification, where whole bytes are spelled.
    #[test]
    fn bytes_are_spelled_as_specified() {
        for (bytes, text) in [
            (&[0xf0, 0xbf, 0xc7][..], "6n9hq"),
            (&[0xd4, 0x7a, 0x04][..], "4t7ye"),
            (&[][..], ""),
        ] {
            assert_eq!(encode(bytes), text);
        }
    }
}
