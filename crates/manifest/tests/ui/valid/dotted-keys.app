app dots
component main
  source File("/apps/shop/main.wasm")
  granted {Stdio}
  stdio StdioGrant { input: false, output: true, error: false }
component other
  source File("/apps/shop/o.wasm")
