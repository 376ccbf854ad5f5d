//! How servers are spoken to over TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// TLS that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It cannot be set up.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
    /// The certificates of the authorities cannot be read.
    #[error("the certificates of the authorities cannot be read")]
    Unread(#[source] std::io::Error),
    /// What is there are no certificates.
    #[error("`{}` holds no certificates in PEM", path.display())]
    NoCertificates {
        /// The file.
        path: PathBuf,
    },
}

/// Only a server that one of these authorities vouches for is spoken to: those in a file, or the public ones.
pub(crate) fn client(authorities: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let roots = match authorities {
        Some(path) => read(path)?,
        None => RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        },
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn read(path: &Path) -> Result<RootCertStore, TlsError> {
    let none = || TlsError::NoCertificates {
        path: path.to_owned(),
    };
    let text = fs_err::read(path).map_err(TlsError::Unread)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        roots
            .add(certificate.map_err(|_| none())?)
            .map_err(TlsError::Setup)?;
    }
    if roots.is_empty() {
        return Err(none());
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use weft_testing::Scratch;

    use super::{TlsError, client};

    #[test]
    fn authorities_that_are_none_are_refused() {
        let scratch = Scratch::new();
        let refused = client(Some(&scratch.path().join("absent.pem")));
        assert!(matches!(refused, Err(TlsError::Unread(_))), "{refused:?}");
        for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
            scratch.file("ca.pem", text);
            let refused = client(Some(&scratch.path().join("ca.pem")));
            assert!(matches!(refused, Err(TlsError::NoCertificates { .. })), "{text}");
        }
    }
}
