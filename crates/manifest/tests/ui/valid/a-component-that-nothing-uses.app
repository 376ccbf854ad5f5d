app shop
component main
  source File("/apps/shop/main.wasm")
  link LinkRule { imports: Name("a:b/c"), provider: Name("used"), export: None }
component spare
  source File("/apps/shop/spare.wasm")
component used
  source File("/apps/shop/used.wasm")
trigger Command { component: Name("main"), arguments: [] }
warning: component `spare` is never used: no trigger runs it, and no link leads to it from one that runs
 --> weft.toml:3:1
  |
3 | [component.spare]
  | ^^^^^^^^^^^^^^^^^
