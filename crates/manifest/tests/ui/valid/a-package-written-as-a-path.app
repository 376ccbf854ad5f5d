app shop
component main
  source File("/apps/shop/docs:markup@1.0.0")
component b
  source File("/apps/shop/https://example.com/b.wasm")
warning: `docs:markup@1.0.0` is read as the path of a file
 --> weft.toml:2:10
  |
2 | source = "docs:markup@1.0.0"
  |          ^^^^^^^^^^^^^^^^^^^
hint: a package is written `source = { package = "docs:markup@1.0.0" }`

warning: `https://example.com/b.wasm` is read as the path of a file
 --> weft.toml:4:10
  |
4 | source = "https://example.com/b.wasm"
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
hint: components come from files, folders and packages; save the file beside the manifest
