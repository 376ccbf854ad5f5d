app shop
component main
  source Build { folder: "/apps/shop/.", command: "make &&\nmake strip", file: "/apps/shop/./main.wasm" }
  granted {Config}
  config ConfigGrant { values: [("text", "one line")] }
