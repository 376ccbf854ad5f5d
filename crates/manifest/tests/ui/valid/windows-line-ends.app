app shop
component main
  source File("/apps/shop/main.wasm")
  granted {Clock}
  clock Fixed(1.5s)
