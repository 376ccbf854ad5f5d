//! Objects of S3 through `object_store`, over connections like those that Weft has: kept, HTTP/1.1, without delay.

use std::fmt;

use anyhow::{Result, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use object_store::ObjectStoreExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{
    ClientOptions, HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store::path::Path;
use weft_testing::s3::{BUCKET, KEY, KEY_ID, Server};

/// What is done with an object.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    Write,
    Read,
}

pub(crate) struct Objects {
    bucket: AmazonS3,
    path: Path,
    content: Bytes,
    does: Does,
}

impl Objects {
    /// An object of so many bytes, which is there.
    pub(crate) async fn of(server: &Server, does: Does, bytes: usize) -> Result<Self> {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(http);
        let bucket = AmazonS3Builder::new()
            .with_endpoint(server.endpoint())
            .with_bucket_name(BUCKET)
            .with_region("us-east-1")
            .with_allow_http(true)
            .with_access_key_id(KEY_ID)
            .with_secret_access_key(KEY)
            .with_http_connector(Connector(client))
            .build()?;
        let objects = Self {
            bucket,
            path: Path::from("native"),
            content: vec![7; bytes].into(),
            does,
        };
        objects.write().await?;
        Ok(objects)
    }

    pub(crate) async fn ask(&self) -> Result<()> {
        match self.does {
            Does::Write => self.write().await,
            Does::Read => {
                let found = self.bucket.get(&self.path).await?.bytes().await?;
                ensure!(found.len() == self.content.len());
                Ok(())
            }
        }
    }

    async fn write(&self) -> Result<()> {
        self.bucket.put(&self.path, self.content.clone().into()).await?;
        Ok(())
    }
}

struct Connector(Client<HttpConnector, HttpRequestBody>);

impl fmt::Debug for Connector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl object_store::client::HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Self(self.0.clone())))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.0.request(request).await;
        let answer = answer.map_err(|error| HttpError::new(HttpErrorKind::Request, error))?;
        let interrupted = |error| HttpError::new(HttpErrorKind::Interrupted, error);
        Ok(answer.map(|body| HttpResponseBody::new(body.map_err(interrupted))))
    }
}
