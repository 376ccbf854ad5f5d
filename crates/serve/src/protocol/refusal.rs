//! Why bytes of a client are not taken.

/// Why a request is not taken, with the status that says so. The connection ends after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is no request, or its length could be read in two ways. 400.
    Malformed(&'static str),
    /// It does not even claim to be HTTP. 400, if whoever sent it cares.
    NotHttp,
    /// Its headers did not come in time, or a body stood still. 408.
    TooSlow,
    /// Its body is longer than it may be. 413.
    BodyTooLarge,
    /// Its first line is longer than it may be. 414.
    TargetTooLong,
    /// It expects something other than `100-continue`. 417.
    Expectation,
    /// Its headers are longer, or more, than they may be. 431.
    HeadTooLarge,
    /// Its body is coded in a way other than `chunked`. 501.
    Coding,
    /// Its method asks for a tunnel, or for what was sent to be sent back. 405.
    Method,
    /// It is of a version other than 1.0 and 1.1. 505.
    Version,
}

impl Refusal {
    /// The status that says so.
    #[must_use]
    pub fn status(self) -> http::StatusCode {
        use http::StatusCode;
        match self {
            Self::Malformed(_) | Self::NotHttp => StatusCode::BAD_REQUEST,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Coding => StatusCode::NOT_IMPLEMENTED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    /// What was wrong, for the log.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Malformed(reason) => reason,
            Self::NotHttp => "the first line names another protocol",
            Self::TooSlow => "the request did not come in time",
            Self::BodyTooLarge => "the body is longer than it may be",
            Self::TargetTooLong => "the first line is longer than it may be",
            Self::Expectation => "it expects something other than `100-continue`",
            Self::HeadTooLarge => "the headers are longer, or more, than they may be",
            Self::Coding => "the body has a transfer coding other than `chunked`",
            Self::Method => "the method is one that no app may answer",
            Self::Version => "the version of HTTP is neither 1.0 nor 1.1",
        }
    }
}
