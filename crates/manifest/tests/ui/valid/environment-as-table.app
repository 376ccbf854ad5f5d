app shop
component main
  source File("/apps/shop/main.wasm")
  granted {Environment}
  variable ("LANG", "en")
  variable ("EMPTY", "")
  variable ("A B", "x=y")
