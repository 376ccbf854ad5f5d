//! Directories of the host that appear in the guest.

use std::path::PathBuf;
use std::str::FromStr;

use super::ParseError;

/// What may be done below a granted directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// Look and read; nothing can be created, changed or removed.
    #[default]
    ReadOnly,
    /// Everything the user who runs Weft may do there.
    ReadWrite,
}

/// One directory of the host, with everything below it, under a name that the guest sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryGrant {
    /// The directory on the host.
    pub host: PathBuf,
    /// The path under which the guest finds it.
    pub guest: String,
    /// What may be done there.
    pub access: Access,
}

impl FromStr for DirectoryGrant {
    type Err = ParseError;

    /// Reads `HOST[::GUEST][:ro|:rw]`. Without `GUEST` the guest sees the path as it was written; without a
    /// suffix the directory is read-only.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (paths, access) = match text.rsplit_once(':') {
            Some((paths, "rw")) => (paths, Access::ReadWrite),
            Some((paths, "ro")) => (paths, Access::ReadOnly),
            _ => (text, Access::ReadOnly),
        };
        let (host, guest) = paths.split_once("::").unwrap_or((paths, paths));
        if host.is_empty() || guest.is_empty() {
            return Err(ParseError::new(text, "a directory grant: `HOST[::GUEST][:rw]`"));
        }
        Ok(Self {
            host: PathBuf::from(host),
            guest: guest.to_owned(),
            access,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_only_unless_it_says_otherwise() {
        for (text, host, guest, access) in [
            (".", ".", ".", Access::ReadOnly),
            ("/a::/b", "/a", "/b", Access::ReadOnly),
            ("/a::/b:rw", "/a", "/b", Access::ReadWrite),
            ("/a:rw", "/a", "/a", Access::ReadWrite),
            ("/a::/b:ro", "/a", "/b", Access::ReadOnly),
            ("/a:b::/c", "/a:b", "/c", Access::ReadOnly),
            ("/a::/:rw", "/a", "/", Access::ReadWrite),
        ] {
            let expected = DirectoryGrant {
                host: PathBuf::from(host),
                guest: guest.to_owned(),
                access,
            };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", "::/a", "/a::", ":rw"] {
            assert!(text.parse::<DirectoryGrant>().is_err(), "{text}");
        }
    }
}
