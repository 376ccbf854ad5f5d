app report
limits Limits {
    memory_bytes_max: Some(
        536870912,
    ),
    table_elements_max: Some(
        500000,
    ),
    wall_time_max: Some(
        30s,
    ),
    cpu_time_max: Some(
        2.5s,
    ),
    fuel_max: Some(
        1000000,
    ),
    stack_bytes_max: 4194304,
    handles_max: 64,
    output_bytes_max: Some(
        1048576,
    ),
}
component main
  source Build { folder: "/apps/shop/main", command: "cargo build --release --target wasm32-wasip2", file: "/apps/shop/main/target/wasm32-wasip2/release/main.wasm" }
  grant on use Trap
  granted {Directories, Environment, Network, Http, Clock, Random, Stdio, Config}
  directory DirectoryGrant { host: "/apps/shop/./data", guest: "/data", access: ReadOnly }
  directory DirectoryGrant { host: "/apps/shop/out", guest: "/out", access: ReadWrite }
  variable ("LANG", "en")
  variable ("HOME", "/home/user")
  network NetworkGrant { tcp_connect: [Peer { host: Name("db.example.com"), port: Range(5432, 5432) }], tcp_listen: [Peer { host: Block(AddressBlock { network: 127.0.0.1, prefix_bits: 32 }), port: Range(8080, 8080) }], udp_connect: [Peer { host: Block(AddressBlock { network: 192.0.2.1, prefix_bits: 32 }), port: Range(53, 53) }], udp_listen: [Peer { host: Block(AddressBlock { network: 127.0.0.1, prefix_bits: 32 }), port: Range(9999, 9999) }], names: [Subdomains(".example.com")] }
  http HttpGrant { origins: [Origin { scheme: Some(Https), host: Name("api.example.com"), port: None }], private: [AddressBlock { network: 10.0.0.0, prefix_bits: 8 }] }
  clock Real
  random Fixed(7)
  stdio StdioGrant { input: false, output: true, error: true }
  config ConfigGrant { values: [("greeting", "hello"), ("key with spaces", "")] }
  limits ComponentLimits { memory_bytes_max: 67108864, table_elements_max: 10000 }
  link LinkRule { imports: Name("docs:markup/render"), provider: Name("parser"), export: None, mode: Fused }
  link LinkRule { imports: Name("docs:markup/render@1.0.0"), provider: Name("parser"), export: Some("docs:markup/render@1.2.0"), mode: Fused }
  link LinkRule { imports: Package("docs:text"), provider: Name("parser"), export: None, mode: Fused }
  link LinkRule { imports: Name("format"), provider: Name("parser"), export: None, mode: Fused }
  link LinkRule { imports: All, provider: Name("parser"), export: None, mode: Fused }
component parser
  source File("/apps/shop/parser.wasm")
trigger Command { component: Name("main"), arguments: ["--fast", "two words"] }
