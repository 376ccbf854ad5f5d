//! A bucket in memory, which does what the documentation of S3 says of the calls that are used.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use parking_lot::Mutex;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput,
    DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag, ETagCondition, GetObjectInput,
    GetObjectOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Object,
    PutObjectInput, PutObjectOutput, StreamingBlob, Timestamp, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::BUCKET;

/// Parts but for the last have at least so many bytes.
const PART_BYTES_MIN: usize = 5 << 20;
const KEY_BYTES_MAX: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Bucket(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Kept>,
    uploads: BTreeMap<String, BTreeMap<i32, Bytes>>,
    uploads_begun: usize,
}

#[derive(Debug, Clone)]
struct Kept {
    content: Bytes,
    tag: String,
    modified: SystemTime,
}

impl Kept {
    fn new(content: Bytes) -> Self {
        Self {
            tag: tag(&content),
            content,
            modified: SystemTime::now(),
        }
    }

    fn tag(&self) -> Option<ETag> {
        Some(ETag::Strong(self.tag.clone()))
    }

    fn modified(&self) -> Option<Timestamp> {
        Some(self.modified.into())
    }

    fn bytes(&self) -> Option<i64> {
        Some(self.content.len().try_into().unwrap())
    }
}

fn tag(content: &[u8]) -> String {
    blake3::hash(content).to_hex().get(..32).unwrap().to_owned()
}

fn check(bucket: &str, key: &str) -> S3Result<()> {
    if bucket != BUCKET {
        return Err(s3_error!(NoSuchBucket));
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(s3_error!(KeyTooLongError));
    }
    Ok(())
}

impl Bucket {
    fn find(&self, bucket: &str, key: &str, condition: Option<&ETagCondition>) -> S3Result<Kept> {
        check(bucket, key)?;
        let found = self.0.lock().objects.get(key).cloned();
        let found = found.ok_or_else(|| s3_error!(NoSuchKey))?;
        match condition {
            Some(ETagCondition::ETag(expected)) if expected.value() != found.tag => {
                Err(s3_error!(PreconditionFailed))
            }
            _ => Ok(found),
        }
    }
}

async fn collect(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let mut content = BytesMut::new();
    let mut body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
    while let Some(bytes) = body.try_next().await.map_err(|_| s3_error!(IncompleteBody))? {
        content.extend_from_slice(&bytes);
    }
    Ok(content.freeze())
}

fn done<T>(output: T) -> S3Result<S3Response<T>> {
    Ok(S3Response::new(output))
}

#[async_trait::async_trait]
impl S3 for Bucket {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        check(&input.bucket, &input.key)?;
        let kept = Kept::new(collect(input.body).await?);
        let e_tag = kept.tag();
        self.0.lock().objects.insert(input.key, kept);
        done(PutObjectOutput {
            e_tag,
            ..PutObjectOutput::default()
        })
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let kept = self.find(&input.bucket, &input.key, input.if_match.as_ref())?;
        let whole = kept.content.len() as u64;
        let (content, content_range) = match input.range {
            None => (kept.content.clone(), None),
            Some(range) => {
                let range = range.check(whole)?;
                let told = format!("bytes {}-{}/{whole}", range.start, range.end - 1);
                let place = |place: u64| usize::try_from(place).unwrap();
                (
                    kept.content.slice(place(range.start)..place(range.end)),
                    Some(told),
                )
            }
        };
        done(GetObjectOutput {
            content_length: Some(content.len().try_into().unwrap()),
            body: Some(StreamingBlob::wrap(futures::stream::iter([Ok::<
                _,
                std::io::Error,
            >(
                content
            )]))),
            content_range,
            e_tag: kept.tag(),
            last_modified: kept.modified(),
            ..GetObjectOutput::default()
        })
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let kept = self.find(&input.bucket, &input.key, input.if_match.as_ref())?;
        done(HeadObjectOutput {
            content_length: kept.bytes(),
            e_tag: kept.tag(),
            last_modified: kept.modified(),
            ..HeadObjectOutput::default()
        })
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        check(&input.bucket, &input.key)?;
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        if **key == *input.key {
            return Err(s3_error!(InvalidRequest, "a copy onto itself"));
        }
        let kept = Kept::new(self.find(bucket, key, None)?.content);
        let result = CopyObjectResult {
            e_tag: kept.tag(),
            last_modified: kept.modified(),
            ..CopyObjectResult::default()
        };
        self.0.lock().objects.insert(input.key, kept);
        done(CopyObjectOutput {
            copy_object_result: Some(result),
            ..CopyObjectOutput::default()
        })
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        check(&request.input.bucket, &request.input.key)?;
        self.0.lock().objects.remove(&request.input.key);
        done(DeleteObjectOutput::default())
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        check(&request.input.bucket, "")?;
        let mut state = self.0.lock();
        let removed = request.input.delete.objects.into_iter().map(|object| {
            state.objects.remove(&object.key);
            DeletedObject {
                key: Some(object.key),
                ..DeletedObject::default()
            }
        });
        let deleted = Some(removed.collect());
        done(DeleteObjectsOutput {
            deleted,
            ..DeleteObjectsOutput::default()
        })
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        check(&input.bucket, "")?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let limit = usize::try_from(input.max_keys.unwrap_or(1000)).unwrap().min(1000);
        let after = input
            .continuation_token
            .clone()
            .or_else(|| input.start_after.clone());
        let from = after.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.0.lock();
        let found = state.objects.range::<String, _>((from, Bound::Unbounded));
        let mut found = found.filter(|(key, _)| key.starts_with(&prefix));
        let object = |(key, kept): (&String, &Kept)| Object {
            key: Some(key.clone()),
            size: kept.bytes(),
            e_tag: kept.tag(),
            last_modified: kept.modified(),
            ..Object::default()
        };
        let contents: Vec<Object> = found.by_ref().take(limit).map(object).collect();
        let is_truncated = found.next().is_some();
        let last = contents.last().and_then(|object| object.key.clone());
        done(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            max_keys: input.max_keys,
            key_count: Some(contents.len().try_into().unwrap()),
            is_truncated: Some(is_truncated),
            next_continuation_token: last.filter(|_| is_truncated),
            contents: Some(contents),
            ..ListObjectsV2Output::default()
        })
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        check(&input.bucket, &input.key)?;
        let mut state = self.0.lock();
        state.uploads_begun += 1;
        let upload_id = format!("upload-{}", state.uploads_begun);
        state.uploads.insert(upload_id.clone(), BTreeMap::new());
        done(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload_id),
            ..CreateMultipartUploadOutput::default()
        })
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        let part = collect(input.body).await?;
        let e_tag = Some(ETag::Strong(tag(&part)));
        let mut state = self.0.lock();
        let upload = state.uploads.get_mut(&input.upload_id);
        let upload = upload.ok_or_else(|| s3_error!(NoSuchUpload))?;
        upload.insert(input.part_number, part);
        done(UploadPartOutput {
            e_tag,
            ..UploadPartOutput::default()
        })
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let named = input
            .multipart_upload
            .and_then(|upload| upload.parts)
            .unwrap_or_default();
        let mut state = self.0.lock();
        let upload = state.uploads.remove(&input.upload_id);
        let upload = upload.ok_or_else(|| s3_error!(NoSuchUpload))?;
        let mut content = BytesMut::new();
        for (place, part) in named.iter().enumerate() {
            let found = part.part_number.and_then(|number| upload.get(&number));
            let found = found.ok_or_else(|| s3_error!(InvalidPart))?;
            let expected = part.e_tag.as_ref().map(ETag::value);
            if expected != Some(&tag(found)) {
                return Err(s3_error!(InvalidPart));
            }
            if place + 1 < named.len() && found.len() < PART_BYTES_MIN {
                return Err(s3_error!(EntityTooSmall));
            }
            content.extend_from_slice(found);
        }
        let mut kept = Kept::new(content.freeze());
        kept.tag = format!("{}-{}", kept.tag, named.len());
        let e_tag = kept.tag();
        state.objects.insert(input.key.clone(), kept);
        done(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag,
            ..CompleteMultipartUploadOutput::default()
        })
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let removed = self.0.lock().uploads.remove(&request.input.upload_id);
        removed.ok_or_else(|| s3_error!(NoSuchUpload))?;
        done(AbortMultipartUploadOutput::default())
    }
}
