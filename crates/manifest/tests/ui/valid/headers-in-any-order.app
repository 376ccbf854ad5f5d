app shop
component main
  source File("/apps/shop/main.wasm")
  link LinkRule { imports: All, provider: Name("b"), export: None, mode: Fused }
component b
  source File("/apps/shop/b.wasm")
trigger Command { component: Name("main"), arguments: [] }
