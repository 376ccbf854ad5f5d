app shop
component main
  source File("/apps/shop/main.wasm")
  granted {Http}
  http HttpGrant { origins: [], private: [AddressBlock { network: 10.0.0.0, prefix_bits: 8 }] }
warning: `http-private` has no effect without `http`
 --> weft.toml:4:1
  |
4 | http-private = ["10.0.0.0/8"]
  | ^^^^^^^^^^^^
hint: it says where the names of granted origins may lead; `http` grants origins
