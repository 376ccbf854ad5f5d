//! How servers are spoken to over TLS.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// Only a server that a public authority vouches for is spoken to.
pub(crate) fn client() -> Result<ClientConfig, rustls::Error> {
    let roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
