app shop
component till
  source File("/apps/shop/till.wasm")
  granted {Sql}
  database DatabaseGrant { name: "shop", database: Database { name: Name("shop"), backend: Embedded { folder: Some("/apps/shop/data/shop"), durability: Fast, bytes_max: 104857600 }, timeout: 5s }, access: SqlAccess { read: true, write: true, schema: true }, tables: None, calls_per_second_max: None }
  database DatabaseGrant { name: "notes", database: Database { name: Name("notes"), backend: Memory { bytes_max: 67108864 }, timeout: 500ms }, access: SqlAccess { read: true, write: true, schema: true }, tables: None, calls_per_second_max: None }
component page
  source File("/apps/shop/page.wasm")
  granted {Sql}
  database DatabaseGrant { name: "default", database: Database { name: Name("shop"), backend: Embedded { folder: Some("/apps/shop/data/shop"), durability: Fast, bytes_max: 104857600 }, timeout: 5s }, access: SqlAccess { read: true, write: true, schema: true }, tables: None, calls_per_second_max: None }
  database DatabaseGrant { name: "some", database: Database { name: Name("shop"), backend: Embedded { folder: Some("/apps/shop/data/shop"), durability: Fast, bytes_max: 104857600 }, timeout: 5s }, access: SqlAccess { read: true, write: true, schema: false }, tables: Some([TableGrant { name: "orders", is_read_only: false }, TableGrant { name: "prices", is_read_only: true }]), calls_per_second_max: Some(100) }
  database DatabaseGrant { name: "looks", database: Database { name: Name("shop"), backend: Embedded { folder: Some("/apps/shop/data/shop"), durability: Fast, bytes_max: 104857600 }, timeout: 5s }, access: SqlAccess { read: true, write: false, schema: false }, tables: None, calls_per_second_max: None }
  database DatabaseGrant { name: "far", database: Database { name: Name("far"), backend: Postgres { address: postgres://db.example.com/shop, authorities: None, connections_max: 4 }, timeout: 5s }, access: SqlAccess { read: true, write: false, schema: false }, tables: None, calls_per_second_max: None }
