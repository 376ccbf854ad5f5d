//! How a bucket is reached, and which names can be kept in it.

use std::fmt;
use std::time::Duration;

use object_store::path::Path;

use crate::blob::NAME_BYTES_MAX;

/// Bytes that a server takes for a whole name.
const KEY_BYTES_MAX: usize = 1024;

/// How a bucket is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    /// The server: `https://HOST[:PORT]`, or `http://` where what is read and written may be seen on the way.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// The region that requests are signed for. Default `us-east-1`.
    pub region: String,
    /// Who asks; nobody in particular where there is none.
    pub credentials: Option<Credentials>,
    /// What stands before every name in the bucket, so that stores do not meet.
    pub prefix: String,
    /// How long one call may take, connecting and trying again included; of a large object, each part. Default 10 s.
    pub timeout: Duration,
}

/// Says who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The public half.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: String,
}

impl Options {
    /// A bucket on a server, and everything else as is usual.
    #[must_use]
    pub fn new(endpoint: &str, bucket: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            bucket: bucket.to_owned(),
            region: "us-east-1".to_owned(),
            credentials: None,
            prefix: String::new(),
            timeout: Duration::from_secs(10),
        }
    }

    /// Refuses what would lead elsewhere.
    pub(super) fn check(&self) -> Result<(), OptionsError> {
        let endpoint: http::Uri = self.endpoint.parse().map_err(|_| OptionsError::Endpoint)?;
        let is_bare = matches!(endpoint.path(), "" | "/") && endpoint.query().is_none();
        let is_known = ["http://", "https://"]
            .iter()
            .any(|scheme| self.endpoint.starts_with(scheme));
        let has_host = endpoint
            .authority()
            .is_some_and(|authority| !authority.as_str().contains('@'));
        if !is_known || !has_host || !is_bare {
            return Err(OptionsError::Endpoint);
        }
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if self.bucket.is_empty() || !self.bucket.bytes().all(is_name) || self.bucket.starts_with('.') {
            let bucket = self.bucket.clone();
            return Err(OptionsError::Bucket { bucket });
        }
        // With a name behind it, as it is used.
        let whole = format!("{}n", self.prefix);
        if self.prefix.len() > KEY_BYTES_MAX - NAME_BYTES_MAX || as_it_is(&whole).is_none() {
            let prefix = self.prefix.clone();
            return Err(OptionsError::Prefix { prefix });
        }
        Ok(())
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Options")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .field("region", &self.region)
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Options that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// The endpoint is none. What was given may hold a password, and is not shown.
    #[error("not the address of an S3 server, expected `https://HOST[:PORT]` or `http://HOST[:PORT]`")]
    Endpoint,
    /// The name of the bucket is none.
    #[error("`{bucket}` cannot be the name of a bucket")]
    Bucket {
        /// What was given.
        bucket: String,
    },
    /// The prefix is too long, or no server keeps it as it is.
    #[error(
        "`{prefix}` cannot stand before names, of which each may have {NAME_BYTES_MAX} of {KEY_BYTES_MAX} bytes"
    )]
    Prefix {
        /// What was given.
        prefix: String,
    },
    /// The connection cannot be prepared.
    #[error("the bucket cannot be used")]
    Unusable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A name in the bucket; none where another one would be made of it.
pub(super) fn as_it_is(name: &str) -> Option<Path> {
    Path::parse(name).ok().filter(|path| path.as_ref() == name)
}

#[cfg(test)]
mod tests {
    use super::{Credentials, Options, OptionsError, as_it_is};
    use crate::blob::s3::S3;

    #[test]
    fn a_secret_is_never_shown() {
        let mut options = Options::new("http://127.0.0.1:1", "bucket");
        options.credentials = Some(Credentials {
            access_key_id: "hunter1".to_owned(),
            secret_access_key: "hunter2".to_owned(),
        });
        let shown = format!(
            "{options:?} {:?} {:?}",
            options.credentials,
            S3::new(options.clone()).unwrap()
        );
        assert!(!shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn options_that_lead_elsewhere_are_refused() {
        for endpoint in [
            "",
            "127.0.0.1",
            "ftp://a",
            "HTTP://a",
            "http://name:word@a",
            "http://a/b",
            "http://a?b",
            "http://",
        ] {
            let refused = S3::new(Options::new(endpoint, "bucket"));
            assert!(
                matches!(refused, Err(OptionsError::Endpoint)),
                "`{endpoint}`: {refused:?}"
            );
        }
        for bucket in ["", "a/b", "..", "a b", "ü"] {
            let refused = S3::new(Options::new("https://a", bucket));
            assert!(matches!(refused, Err(OptionsError::Bucket { .. })), "`{bucket}`");
        }
        for prefix in ["/", "a//b", "../", "a/./", &"p".repeat(125)] {
            let mut options = Options::new("https://a", "bucket");
            prefix.clone_into(&mut options.prefix);
            let refused = S3::new(options);
            assert!(matches!(refused, Err(OptionsError::Prefix { .. })), "`{prefix}`");
        }
    }

    #[test]
    fn a_name_is_kept_as_it_is_or_not_at_all() {
        for name in ["a", "a/b", "ü 🦀", "%2F", "a+b?c#d", "..a", "*"] {
            assert_eq!(as_it_is(name).unwrap().as_ref(), name);
        }
        for name in ["/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a\0b", "/"] {
            assert!(as_it_is(name).is_none(), "`{name}`");
        }
    }
}
