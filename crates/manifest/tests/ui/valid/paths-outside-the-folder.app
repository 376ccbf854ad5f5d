app shop
component main
  source File("/opt/main.wasm")
  granted {Directories}
  directory DirectoryGrant { host: "/srv", guest: "/srv", access: ReadOnly }
  directory DirectoryGrant { host: "/apps/shop/../shared", guest: "/shared", access: ReadWrite }
  directory DirectoryGrant { host: "/apps/shop/.", guest: ".", access: ReadOnly }
component b
  source File("/apps/shop/../b/b.wasm")
