//! Keys as NATS spells them: a key is the end of a subject, in which few characters may stand.
//!
//! Letters, digits, `-`, `_` and `/` stay as they are, and so does a dot between two others: programs that use the
//! same bucket see such keys as they are meant. Every other byte becomes `=` with two digits.

/// The spelling of a key.
pub(super) fn spell(key: &str) -> String {
    let bytes = key.as_bytes();
    let mut spelt = String::with_capacity(bytes.len());
    for (at, &byte) in bytes.iter().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/');
        // An empty word between dots is none.
        let is_inner_dot = byte == b'.' && at > 0 && at + 1 < bytes.len() && bytes.get(at - 1) != Some(&b'.');
        if is_plain || is_inner_dot {
            spelt.push(char::from(byte));
        } else {
            spelt.push_str(&format!("={byte:02X}"));
        }
    }
    spelt
}

/// The key of a spelling. None for what is spelt in another way, which is a key of somebody else.
pub(super) fn read(spelt: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(spelt.len());
    let mut left = spelt.bytes();
    while let Some(byte) = left.next() {
        bytes.push(match byte {
            b'=' => 16 * digit(left.next()?)? + digit(left.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok().filter(|key| spell(key) == spelt)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::{read, spell};

    #[test]
    fn every_key_has_one_spelling_that_a_subject_takes() {
        for (key, spelt) in [
            ("cart/17_a-B", "cart/17_a-B"),
            ("a.b", "a.b"),
            (".a.", "=2Ea=2E"),
            ("a..b", "a.=2Eb"),
            ("a=b c", "a=3Db=20c"),
            ("*>", "=2A=3E"),
            ("ü\0", "=C3=BC=00"),
        ] {
            assert_eq!(spell(key), spelt);
            assert_eq!(read(spelt).as_deref(), Some(key));
        }
        for _ in 0..1000 {
            let key: String = (0..fastrand::usize(1..20))
                .map(|_| fastrand::char(..'\u{ff}'))
                .collect();
            let key = key.replace(|letter: char| fastrand::bool() && letter > 'z', ".");
            let spelt = spell(&key);
            assert!(spelt.split('.').all(|word| !word.is_empty()), "`{spelt}`");
            assert_eq!(read(&spelt), Some(key));
        }
    }

    #[test]
    fn what_is_spelt_in_another_way_is_nobodys_key() {
        for spelt in ["=", "=4", "=zz", "=41", "=c3=bc", "=FF", "a b", "a.", "=2e"] {
            assert_eq!(read(spelt), None, "`{spelt}`");
        }
    }
}
