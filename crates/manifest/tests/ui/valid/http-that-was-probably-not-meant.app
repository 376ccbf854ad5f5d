app shop
component main
  source File("/apps/shop/main.wasm")
trigger http, access log Off
  listen 127.0.0.1:8080 None
  route up: /a/../b -> component main
  route many: /many -> component main
    requests 2000
    response timeout 3600s
warning: no request has this path: clients take `.` and `..` out before they ask
 --> weft.toml:4:8
  |
4 | path = "/a/../b"
  |        ^^^^^^^^^

warning: all routes together have 1024 requests at a time, so this bound is never reached
 --> weft.toml:9:12
  |
9 | requests = 2000
  |            ^^^^

warning: `total-timeout` is shorter, so this time is never reached
  --> weft.toml:10:20
   |
10 | response-timeout = "1h"
   |                    ^^^^
