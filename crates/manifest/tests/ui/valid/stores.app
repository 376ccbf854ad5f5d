app shop
component cart
  source File("/apps/shop/cart.wasm")
  granted {KeyValue}
  bucket BucketGrant { name: "carts", store: Store { name: Name("carts"), backend: Embedded { folder: None, durability: Sync, bytes_max: 1073741824 } }, access: DataAccess { read: true, write: true, list: true }, prefix: "", value_bytes_max: None, bytes_max: None, calls_per_second_max: None }
  bucket BucketGrant { name: "seen", store: Store { name: Name("seen"), backend: Memory { bytes_max: 1048576 } }, access: DataAccess { read: true, write: true, list: true }, prefix: "", value_bytes_max: None, bytes_max: None, calls_per_second_max: None }
  bucket BucketGrant { name: "table", store: Store { name: Name("table"), backend: Postgres { address: postgres://127.0.0.1/shop, authorities: None, table: Some("public.carts"), timeout: 1s } }, access: DataAccess { read: true, write: true, list: true }, prefix: "", value_bytes_max: None, bytes_max: None, calls_per_second_max: None }
  bucket BucketGrant { name: "bucket", store: Store { name: Name("bucket"), backend: Nats { address: nats://one,nats://two, authorities: None, bucket: None, replicas: 3, timeout: 1s } }, access: DataAccess { read: true, write: true, list: true }, prefix: "", value_bytes_max: None, bytes_max: None, calls_per_second_max: None }
  bucket BucketGrant { name: "safe", store: Store { name: Name("safe"), backend: Redis { address: rediss://127.0.0.1, authorities: Some("/apps/shop/ca.pem"), prefix: None, timeout: 1s } }, access: DataAccess { read: true, write: true, list: true }, prefix: "", value_bytes_max: None, bytes_max: None, calls_per_second_max: None }
component page
  source File("/apps/shop/page.wasm")
  granted {KeyValue}
  bucket BucketGrant { name: "default", store: Store { name: Name("carts"), backend: Embedded { folder: None, durability: Sync, bytes_max: 1073741824 } }, access: DataAccess { read: true, write: true, list: true }, prefix: "", value_bytes_max: None, bytes_max: None, calls_per_second_max: None }
  bucket BucketGrant { name: "prices", store: Store { name: Name("orders"), backend: Redis { address: redis://127.0.0.1:6379/1, authorities: None, prefix: None, timeout: 200ms } }, access: DataAccess { read: true, write: false, list: true }, prefix: "price/", value_bytes_max: Some(65536), bytes_max: Some(10485760), calls_per_second_max: Some(100) }
