//! How a server of S3 is reached by somebody who may.

use weft_stores::blob::s3::{Credentials, Options};
use weft_testing::s3::{BUCKET, KEY, KEY_ID};

pub(crate) use weft_testing::s3::Server;

pub(crate) trait Reached {
    fn options(&self) -> Options;
}

impl Reached for Server {
    fn options(&self) -> Options {
        let mut options = Options::new(&self.endpoint(), BUCKET);
        options.credentials = Some(Credentials {
            access_key_id: KEY_ID.to_owned(),
            secret_access_key: KEY.to_owned(),
        });
        options
    }
}
