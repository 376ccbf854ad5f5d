app shop
component main
  source File("/apps/shop/main.wasm")
  granted {Config}
  config ConfigGrant { values: [("greeting", "hello"), ("store-url", (secret)), ("api-key", (secret))] }
