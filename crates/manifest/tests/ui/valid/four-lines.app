app shop
component main
  source File("/apps/shop/main.wasm")
  granted {Stdio}
  stdio StdioGrant { input: true, output: true, error: true }
