//! What went wrong, in the words of `wasi:http`.
//!
//! Every failure is turned into one specific code here, where its cause is still known; the guest learns the
//! code, the details go to the log. A cause that the standard has no word for becomes the nearest one.

use std::error::Error as StdError;
use std::io;

use wasmtime_wasi_http::Error;

/// What was being read when an exchange broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The request is on its way; nothing of the response is here.
    Head,
    /// The head of the response is here, its body is not.
    Body,
}

/// The name could not be looked up.
pub(crate) fn from_lookup(name: &str, error: &io::Error) -> Error {
    tracing::debug!(name, %error, "name look-up failed");
    no_address()
}

/// The name exists but has no address, or does not exist: resolvers of operating systems rarely tell which.
/// The words are those of wasmtime, which guests know.
pub(crate) fn no_address() -> Error {
    Error::DnsError {
        rcode: Some("address not available".to_owned()),
        info_code: None,
    }
}

/// No connection came about.
pub(crate) fn from_connect(error: &io::Error) -> Error {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => Error::ConnectionRefused,
        Kind::TimedOut => Error::ConnectionTimeout,
        Kind::NetworkUnreachable | Kind::HostUnreachable | Kind::AddrNotAvailable => {
            Error::DestinationIpUnroutable
        }
        Kind::PermissionDenied => Error::DestinationIpProhibited,
        Kind::ConnectionReset | Kind::ConnectionAborted => Error::ConnectionTerminated,
        _ => Error::DestinationUnavailable,
    }
}

/// The TLS handshake failed.
pub(crate) fn from_tls(error: &io::Error) -> Error {
    match find::<rustls::Error>(error) {
        Some(cause) => from_rustls(cause),
        None => from_stream(error),
    }
}

/// An established connection broke.
fn from_stream(error: &io::Error) -> Error {
    if let Some(cause) = find::<rustls::Error>(error) {
        return from_rustls(cause);
    }
    match error.kind() {
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        _ => Error::ConnectionTerminated,
    }
}

fn from_rustls(error: &rustls::Error) -> Error {
    match error {
        rustls::Error::AlertReceived(alert) => Error::TlsAlertReceived {
            alert_id: Some(u8::from(*alert)),
            alert_message: Some(format!("{alert:?}")),
        },
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::UnsupportedNameType
        | rustls::Error::InvalidCertRevocationList(_) => Error::TlsCertificateError,
        _ => Error::TlsProtocolError,
    }
}

/// The exchange broke, as hyper tells it.
pub(crate) fn from_hyper(error: &hyper::Error, phase: Phase) -> Error {
    tracing::debug!(%error, cause = error.source(), ?phase, "outgoing request failed");
    if let Some(cause) = error.source() {
        if let Some(ours) = find::<Error>(cause) {
            return copy(ours);
        }
        if let Some(cause) = find::<h2::Error>(cause) {
            return from_h2(cause, phase);
        }
        if let Some(cause) = find::<io::Error>(cause) {
            let cut_short = cause.kind() == io::ErrorKind::UnexpectedEof && phase == Phase::Body;
            return if cut_short {
                Error::HttpResponseIncomplete
            } else {
                from_stream(cause)
            };
        }
    }
    if error.is_timeout() {
        Error::HttpResponseTimeout
    } else if error.is_parse_too_large() {
        match phase {
            Phase::Head => Error::HttpResponseHeaderSectionSize(None),
            Phase::Body => Error::HttpResponseTrailerSectionSize(None),
        }
    } else if error.is_incomplete_message() && phase == Phase::Body {
        Error::HttpResponseIncomplete
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        Error::ConnectionTerminated
    } else {
        Error::HttpProtocolError
    }
}

fn from_h2(error: &h2::Error, phase: Phase) -> Error {
    match error.reason() {
        _ if error.is_io() || error.is_go_away() => Error::ConnectionTerminated,
        Some(h2::Reason::REFUSED_STREAM) => Error::ConnectionLimitReached,
        Some(h2::Reason::CANCEL | h2::Reason::NO_ERROR | h2::Reason::INTERNAL_ERROR) => match phase {
            Phase::Head => Error::ConnectionTerminated,
            Phase::Body => Error::HttpResponseIncomplete,
        },
        _ => Error::HttpProtocolError,
    }
}

/// The same error once more: hyper keeps the one that a request body gave it, and lends it out only.
pub(crate) fn copy(error: &Error) -> Error {
    match error {
        Error::HttpRequestBodySize(size) => Error::HttpRequestBodySize(*size),
        Error::HttpRequestTrailerSectionSize(size) => Error::HttpRequestTrailerSectionSize(*size),
        Error::ConnectionTerminated => Error::ConnectionTerminated,
        Error::InternalError(text) => Error::InternalError(text.clone()),
        _ => Error::HttpProtocolError,
    }
}

/// The first cause of this type. `io::Error` is looked into as well: its `source` skips the error it wraps.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    // Chains are a handful of errors long; the bound only keeps a circular one from holding the thread.
    let mut next = Some(error);
    for _ in 0..16 {
        let current = next?;
        if let Some(found) = current.downcast_ref::<T>() {
            return Some(found);
        }
        let wrapped = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => current.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_connection_says_why() {
        let code = |kind: io::ErrorKind| from_connect(&io::Error::from(kind));
        assert!(matches!(
            code(io::ErrorKind::ConnectionRefused),
            Error::ConnectionRefused
        ));
        assert!(matches!(code(io::ErrorKind::TimedOut), Error::ConnectionTimeout));
        assert!(matches!(
            code(io::ErrorKind::HostUnreachable),
            Error::DestinationIpUnroutable
        ));
        assert!(matches!(
            code(io::ErrorKind::Other),
            Error::DestinationUnavailable
        ));
    }

    #[test]
    fn a_failed_handshake_says_why() {
        let code = |error: rustls::Error| from_tls(&io::Error::new(io::ErrorKind::InvalidData, error));
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert!(matches!(code(unknown), Error::TlsCertificateError));
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::HandshakeFailure);
        assert!(matches!(
            code(alert),
            Error::TlsAlertReceived {
                alert_id: Some(40),
                ..
            }
        ));
        assert!(matches!(
            code(rustls::Error::HandshakeNotComplete),
            Error::TlsProtocolError
        ));
        assert!(matches!(
            from_tls(&io::Error::from(io::ErrorKind::UnexpectedEof)),
            Error::ConnectionTerminated
        ));
    }
}
