app shop
component main
  source File("/apps/shop/main.wasm")
trigger http, access log Off
  listen 127.0.0.1:8080 None
