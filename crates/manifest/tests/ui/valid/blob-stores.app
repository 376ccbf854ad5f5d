app gallery
component upload
  source File("/apps/shop/upload.wasm")
  granted {BlobStore}
  container ContainerGrant { name: "photos", store: BlobStore { name: Name("photos"), backend: Files { folder: None, durability: Sync, bytes_max: 10737418240 } }, access: DataAccess { read: true, write: true, list: true }, prefix: "", object_bytes_max: 1073741824, bytes_max: None, calls_per_second_max: None }
  container ContainerGrant { name: "seen", store: BlobStore { name: Name("seen"), backend: Memory { bytes_max: 1048576 } }, access: DataAccess { read: true, write: true, list: true }, prefix: "", object_bytes_max: 1073741824, bytes_max: None, calls_per_second_max: None }
component page
  source File("/apps/shop/page.wasm")
  granted {BlobStore}
  container ContainerGrant { name: "default", store: BlobStore { name: Name("photos"), backend: Files { folder: None, durability: Sync, bytes_max: 10737418240 } }, access: DataAccess { read: true, write: true, list: true }, prefix: "", object_bytes_max: 1073741824, bytes_max: None, calls_per_second_max: None }
  container ContainerGrant { name: "small", store: BlobStore { name: Name("shared"), backend: S3(S3 { endpoint: "https://s3.example.com", bucket: "photos", region: "us-east-1", key: Some((secret)), prefix: None, timeout: 2s }) }, access: DataAccess { read: true, write: false, list: true }, prefix: "small/", object_bytes_max: 65536, bytes_max: Some(1073741824), calls_per_second_max: Some(100) }
