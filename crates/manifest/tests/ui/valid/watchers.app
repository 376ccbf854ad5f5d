app shop
component count
  source File("/apps/shop/count.wasm")
  granted {KeyValue}
  bucket BucketGrant { name: "carts", store: Store { name: Name("carts"), backend: Memory { bytes_max: 1073741824 } }, access: DataAccess { read: true, write: true, list: true }, prefix: "", value_bytes_max: None, bytes_max: None, calls_per_second_max: None }
component page
  source File("/apps/shop/page.wasm")
  granted {KeyValue}
  bucket BucketGrant { name: "blind", store: Store { name: Name("carts"), backend: Memory { bytes_max: 1073741824 } }, access: DataAccess { read: true, write: true, list: false }, prefix: "", value_bytes_max: None, bytes_max: None, calls_per_second_max: None }
  bucket BucketGrant { name: "open", store: Store { name: Name("carts"), backend: Memory { bytes_max: 1073741824 } }, access: DataAccess { read: true, write: false, list: true }, prefix: "open/", value_bytes_max: None, bytes_max: None, calls_per_second_max: None }
  bucket BucketGrant { name: "all", store: Store { name: Name("carts"), backend: Memory { bytes_max: 1073741824 } }, access: DataAccess { read: true, write: true, list: true }, prefix: "", value_bytes_max: None, bytes_max: None, calls_per_second_max: None }
trigger KeyValue(KeyValueTrigger { name: Name("recount"), component: Name("count"), bucket: BucketGrant { name: "carts", store: Store { name: Name("carts"), backend: Memory { bytes_max: 1073741824 } }, access: DataAccess { read: true, write: true, list: true }, prefix: "", value_bytes_max: None, bytes_max: None, calls_per_second_max: None }, prefix: "", concurrent_max: 4, attempts_max: 5, backoff: 1s, timeout: 30s })
trigger KeyValue(KeyValueTrigger { name: Name("refresh"), component: Name("page"), bucket: BucketGrant { name: "open", store: Store { name: Name("carts"), backend: Memory { bytes_max: 1073741824 } }, access: DataAccess { read: true, write: false, list: true }, prefix: "open/", value_bytes_max: None, bytes_max: None, calls_per_second_max: None }, prefix: "today/", concurrent_max: 1, attempts_max: 3, backoff: 200ms, timeout: 5s })
