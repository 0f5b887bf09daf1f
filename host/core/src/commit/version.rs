//! What lies at a path.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::InvalidId;

/// What kind of entry a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A regular file that cannot be executed.
    File,
    /// One that can.
    Executable,
    /// A directory. Its hash is of whatever list of entries a change was based on.
    Directory,
    /// A symbolic link. Its hash is of its target.
    Link,
}

impl EntryKind {
    const ALL: [Self; 4] = [Self::File, Self::Executable, Self::Directory, Self::Link];

    const fn letter(self) -> u8 {
        match self {
            Self::File => b'f',
            Self::Executable => b'x',
            Self::Directory => b'd',
            Self::Link => b'l',
        }
    }

    fn of_letter(letter: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.letter() == letter)
    }
}

/// The content of an entry, its kind and whether it can be executed: two entries with the same version are the same.
/// Written as a letter for the kind and the hash in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// What it is.
    pub kind: EntryKind,
    /// BLAKE3 of its content.
    pub hash: [u8; 32],
}

impl Version {
    /// As the store keeps it: the kind's letter and the hash.
    pub fn to_bytes(self) -> [u8; 33] {
        let mut bytes = [self.kind.letter(); 33];
        for (byte, hash) in bytes.iter_mut().skip(1).zip(self.hash) {
            *byte = hash;
        }
        bytes
    }

    /// The version that was kept as `bytes`; `None` if none was.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (letter, hash) = bytes.split_first()?;
        Some(Self { kind: EntryKind::of_letter(*letter)?, hash: hash.try_into().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", char::from(self.kind.letter()))?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Version {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digit = |c: u8| match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        };
        let parse = || {
            let (letter, digits) = text.as_bytes().split_first()?;
            let (pairs, rest) = digits.as_chunks::<2>();
            let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
            let hash: Vec<u8> = bytes.collect::<Option<_>>()?;
            let hash = hash.try_into().ok().filter(|_| rest.is_empty())?;
            Some(Self { kind: EntryKind::of_letter(*letter)?, hash })
        };
        parse()
            .ok_or_else(|| InvalidId::new(text, "a version (one of f, x, d, l, and 64 hexadecimal digits)"))
    }
}

impl TryFrom<String> for Version {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_reads_back_as_text_and_as_bytes() {
        for (n, kind) in (0..).zip(EntryKind::ALL) {
            let version = Version { kind, hash: std::array::from_fn(|i| u8::try_from(i * 7 + n).unwrap()) };
            assert_eq!(version.to_string().parse(), Ok(version));
            assert_eq!(Version::from_bytes(&version.to_bytes()), Some(version));
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        let hex = "0".repeat(64);
        let texts = [
            "",
            "f",
            &hex,
            &format!("f{hex}0"),
            &format!("f{hex}00"),
            &format!("F{hex}"),
            &format!("é{hex}"),
        ];
        for text in texts {
            assert!(text.parse::<Version>().is_err(), "{text:?} was accepted");
        }
        assert!(format!("f{}A", "0".repeat(63)).parse::<Version>().is_err());
        for bytes in [&[][..], &[b'f'; 32], &[b'f'; 34], &[b'q'; 33]] {
            assert_eq!(Version::from_bytes(bytes), None);
        }
    }
}
