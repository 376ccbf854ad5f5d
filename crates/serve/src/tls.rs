//! Certificates: read when the server starts, and again when their files change.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use weft_app::trigger::http::TlsFiles;

/// Bytes of a file of certificates or a key. More is no such file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("a file cannot be read")]
    Read(#[source] std::io::Error),
    /// A file is no certificate and no key.
    #[error("`{0}` is longer than a certificate or a key can be")]
    TooLong(std::path::PathBuf),
    /// It is not PEM.
    #[error("`{path}` has no {what} in PEM form")]
    NotPem {
        /// The file.
        path: std::path::PathBuf,
        /// What is missing in it.
        what: &'static str,
    },
    /// Certificate and key do not belong together, or one of them cannot be used.
    #[error("certificate and key cannot be used")]
    Unusable(#[source] rustls::Error),
}

/// A certificate in use.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: TlsFiles,
    config: RwLock<Arc<ServerConfig>>,
    seen: RwLock<Stamp>,
}

/// What tells two states of the files apart without reading them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Stamp([Option<(u64, Option<SystemTime>, u64)>; 2]);

impl Certificate {
    /// Reads a certificate.
    pub(crate) fn open(files: &TlsFiles) -> Result<Arc<Self>, TlsError> {
        let seen = Stamp::of(files);
        Ok(Arc::new(Self {
            config: RwLock::new(read(files)?),
            files: files.clone(),
            seen: RwLock::new(seen),
        }))
    }

    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.files.certificate
    }

    /// Reads the files again if they changed: whether they did.
    pub(crate) fn refresh(&self) -> Result<bool, TlsError> {
        let now = Stamp::of(&self.files);
        if *self.seen.read() == now {
            return Ok(false);
        }
        // A state that cannot be used is told once, not with every look.
        *self.seen.write() = now;
        *self.config.write() = read(&self.files)?;
        Ok(true)
    }
}

impl Stamp {
    fn of(files: &TlsFiles) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let of = |path: &Path| {
            let facts = fs_err::metadata(path).ok()?;
            Some((facts.len(), facts.modified().ok(), facts.ino()))
        };
        Self([of(&files.certificate), of(&files.key)])
    }
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let not_pem = |path: &Path, what| TlsError::NotPem {
        path: path.to_owned(),
        what,
    };
    let chain = read_file(&files.certificate)?;
    let chain = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| not_pem(&files.certificate, "certificate"))?;
    if chain.is_empty() {
        return Err(not_pem(&files.certificate, "certificate"));
    }
    let key = read_file(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| not_pem(&files.key, "private key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(TlsError::Unusable)?;
    Ok(Arc::new(config))
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    use std::io::Read as _;
    let file = fs_err::File::open(path).map_err(TlsError::Read)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(TlsError::Read)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(TlsError::TooLong(path.to_owned()));
    }
    Ok(bytes)
}
