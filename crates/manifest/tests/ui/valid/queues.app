app shop
component cart
  source File("/apps/shop/cart.wasm")
  granted {Messaging}
  client ClientGrant { name: "orders", queue: MessageQueue { name: Name("orders"), backend: Embedded { folder: None, durability: Sync, bytes_max: 1073741824 } }, publish: [Pattern(">")], request: [Pattern(">")], message_bytes_max: None, calls_per_second_max: None }
  client ClientGrant { name: "seen", queue: MessageQueue { name: Name("seen"), backend: Memory { bytes_max: 1048576 } }, publish: [Pattern(">")], request: [Pattern(">")], message_bytes_max: None, calls_per_second_max: None }
  client ClientGrant { name: "near", queue: MessageQueue { name: Name("near"), backend: Nats { address: nats://one:4222,tls://two, authorities: None, stream: None, replicas: 1, timeout: 1s } }, publish: [Pattern(">")], request: [Pattern(">")], message_bytes_max: None, calls_per_second_max: None }
  client ClientGrant { name: "far", queue: MessageQueue { name: Name("far"), backend: Nats { address: nats://127.0.0.1, authorities: Some("/apps/shop/ca.pem"), stream: Some("orders"), replicas: 3, timeout: 5s } }, publish: [Pattern(">")], request: [Pattern(">")], message_bytes_max: None, calls_per_second_max: None }
component worker
  source File("/apps/shop/worker.wasm")
  granted {Messaging}
  client ClientGrant { name: "default", queue: MessageQueue { name: Name("orders"), backend: Embedded { folder: None, durability: Sync, bytes_max: 1073741824 } }, publish: [Pattern(">")], request: [Pattern(">")], message_bytes_max: None, calls_per_second_max: None }
  client ClientGrant { name: "prices", queue: MessageQueue { name: Name("orders"), backend: Embedded { folder: None, durability: Sync, bytes_max: 1073741824 } }, publish: [Pattern("order.*")], request: [Pattern("price.>")], message_bytes_max: Some(65536), calls_per_second_max: Some(100) }
trigger Messages(MessageTrigger { name: Name("ship"), component: Name("worker"), queue: MessageQueue { name: Name("orders"), backend: Embedded { folder: None, durability: Sync, bytes_max: 1073741824 } }, subject: Pattern(">"), concurrent_max: 4, attempts_max: 5, backoff: 1s, timeout: 30s })
trigger Messages(MessageTrigger { name: Name("bill"), component: Name("worker"), queue: MessageQueue { name: Name("orders"), backend: Embedded { folder: None, durability: Sync, bytes_max: 1073741824 } }, subject: Pattern("order.*"), concurrent_max: 1, attempts_max: 3, backoff: 200ms, timeout: 5s })
trigger Schedule(ScheduleTrigger { name: Name("tidy"), component: Name("cart"), times: Every(600s), timeout: 600s })
trigger Schedule(ScheduleTrigger { name: Name("report"), component: Name("cart"), times: Cron("0 3 * * 1-5"), timeout: 60s })
