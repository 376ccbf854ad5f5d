app shop
component main
  source File("/apps/shop/main.wasm")
  granted {Clock, Random, Stdio}
  clock Fixed(0ns)
  random Fixed(0)
  stdio StdioGrant { input: true, output: false, error: false }
