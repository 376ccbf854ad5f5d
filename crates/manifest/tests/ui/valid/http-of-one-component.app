app shop
component edge
  source File("/apps/shop/edge.wasm")
  link LinkRule { imports: Name("wasi:http/handler"), provider: Name("site"), export: None, mode: Fused }
component site
  source File("/apps/shop/site.wasm")
component lonely
  source File("/apps/shop/lonely.wasm")
trigger http, access log Off
  listen 0.0.0.0:80, behind a proxy that names the client None
  route edge: /* -> component edge
