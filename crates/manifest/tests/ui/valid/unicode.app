app shop
component main
  source File("/apps/shop/main.wasm")
  granted {Directories, Config}
  directory DirectoryGrant { host: "/apps/shop/Übung", guest: "/übung", access: ReadOnly }
  config ConfigGrant { values: [("größe", "日本"), ("emoji", "🎈")] }
