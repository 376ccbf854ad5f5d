//! An authority for a test: it vouches for a server, and for clients of it.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

use crate::Scratch;

/// An authority made for one test, and the server that it vouches for.
#[derive(Debug)]
pub struct Authority {
    /// The certificate of the server, in PEM.
    pub certificate: String,
    /// Its key, in PEM.
    pub key: String,
    root: CertifiedIssuer<'static, KeyPair>,
    scratch: Scratch,
}

/// Files with which a client says who it is.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its certificate, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
}

impl Authority {
    /// One that vouches for a server of this name.
    ///
    /// # Panics
    ///
    /// Like all methods: with the reason, where it cannot.
    #[must_use]
    pub fn for_server(name: &str) -> Self {
        let mut root = CertificateParams::default();
        root.distinguished_name
            .push(DnType::CommonName, "an authority of tests");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = made(CertifiedIssuer::self_signed(root, made(KeyPair::generate())));
        let server = made(CertificateParams::new(vec![name.to_owned()]));
        let (certificate, key) = vouched_for(&server, &root);
        let scratch = Scratch::new();
        scratch.file("ca.pem", root.pem());
        Self {
            certificate,
            key,
            root,
            scratch,
        }
    }

    /// Its own certificate, in PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.root.pem()
    }

    /// A file with its own certificate.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.scratch.path().join("ca.pem")
    }

    /// A client that it vouches for.
    #[must_use]
    pub fn client(&self, name: &str) -> Client {
        let mut client = CertificateParams::default();
        client.distinguished_name.push(DnType::CommonName, name);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (certificate, key) = vouched_for(&client, &self.root);
        Client {
            certificate: self.scratch.file(format!("{name}.pem"), certificate),
            key: self.scratch.file(format!("{name}.key"), key),
        }
    }
}

/// A certificate and its key.
fn vouched_for(whom: &CertificateParams, root: &CertifiedIssuer<'static, KeyPair>) -> (String, String) {
    let key = made(KeyPair::generate());
    let certificate = made(whom.clone().signed_by(&key, root));
    (certificate.pem(), key.serialize_pem())
}

fn made<T>(made: Result<T, rcgen::Error>) -> T {
    made.unwrap_or_else(|error| panic!("no certificate to be had: {error}"))
}
