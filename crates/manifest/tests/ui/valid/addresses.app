app shop
component main
  source File("/apps/shop/main.wasm")
  granted {Network, Http}
  network NetworkGrant { tcp_connect: [Peer { host: Block(AddressBlock { network: ::1, prefix_bits: 128 }), port: Range(80, 80) }, Peer { host: Block(AddressBlock { network: 10.0.0.0, prefix_bits: 8 }), port: Range(8000, 8099) }, Peer { host: Subdomains(".example.com"), port: Any }, Peer { host: Any, port: Any }], tcp_listen: [], udp_connect: [], udp_listen: [], names: [] }
  http HttpGrant { origins: [Origin { scheme: Some(Https), host: Name("example.com"), port: None }, Origin { scheme: Some(Http), host: Block(AddressBlock { network: 127.0.0.1, prefix_bits: 32 }), port: Some(Range(8080, 8080)) }], private: [] }
