app shop
component main
  source File("/apps/shop/main.wasm")
  granted {Directories, Environment, Network, Http, Stdio}
  directory DirectoryGrant { host: "/apps/shop/data", guest: "data", access: ReadOnly }
  variable ("LANG", "en")
  network NetworkGrant { tcp_connect: [], tcp_listen: [], udp_connect: [], udp_listen: [], names: [Name("example.com")] }
  http HttpGrant { origins: [Origin { scheme: None, host: Any, port: Some(Any) }], private: [] }
  stdio StdioGrant { input: false, output: true, error: true }
