app shop
component main
  source File("/apps/shop/main.wasm")
  granted {Directories, Environment, Network, Http, Clock, Random, Stdio, Config}
