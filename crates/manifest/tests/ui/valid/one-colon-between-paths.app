app shop
component main
  source File("/apps/shop/main.wasm")
  granted {Directories}
  directory DirectoryGrant { host: "/apps/shop/./data:/data", guest: "./data:/data", access: ReadOnly }
  directory DirectoryGrant { host: "/apps/shop/./out:/out", guest: "./out:/out", access: ReadWrite }
warning: `./data:/data` is one path: host and guest are divided by `::`
 --> weft.toml:4:8
  |
4 | dir = ["./data:/data", "./out:/out:rw"]
  |        ^^^^^^^^^^^^^^
hint: write `./data::/data`

warning: `./out:/out:rw` is one path: host and guest are divided by `::`
 --> weft.toml:4:24
  |
4 | dir = ["./data:/data", "./out:/out:rw"]
  |                        ^^^^^^^^^^^^^^^
hint: write `./out::/out:rw`
