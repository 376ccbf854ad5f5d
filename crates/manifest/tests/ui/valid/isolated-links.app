app shop
component main
  source File("/apps/shop/main.wasm")
  link LinkRule { imports: Name("a:b/c"), provider: Name("b"), export: None, mode: Isolated(Isolation { on_failure: Trap, functions: {}, retries: 0, idempotent: Named({}) }) }
  link LinkRule { imports: Name("a:b/d"), provider: Name("b"), export: None, mode: Isolated(Isolation { on_failure: Error("failed"), functions: {}, retries: 2, idempotent: All }) }
  link LinkRule { imports: Name("a:b/e"), provider: Name("c"), export: None, mode: Isolated(Isolation { on_failure: Trap, functions: {"f": Value("[]"), "g": Trap}, retries: 1, idempotent: Named({"f", "g"}) }) }
component b
  source File("/apps/shop/b.wasm")
  cell CellSettings { lifetime: Request, cpu_time_max: Some(100ms), wall_time_max: Some(1s), handles_max: 64, depth_max: 3, restarts: Restarts { intensity: 5, period: 10s, backoff_min: 50ms, backoff_max: 10s } }
component c
  source File("/apps/shop/c.wasm")
  cell CellSettings { lifetime: Pooled { uses_max: 10, idle_max: 4 }, cpu_time_max: None, wall_time_max: None, handles_max: 1024, depth_max: 16, restarts: Restarts { intensity: 5, period: 10s, backoff_min: 50ms, backoff_max: 10s } }
component d
  source File("/apps/shop/d.wasm")
  cell CellSettings { lifetime: Shared, cpu_time_max: None, wall_time_max: None, handles_max: 1024, depth_max: 16, restarts: Restarts { intensity: 3, period: 60s, backoff_min: 100ms, backoff_max: 30s } }
