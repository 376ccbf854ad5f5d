app shop
component site
  source File("/apps/shop/site.wasm")
  reuse Reuse { requests_max: 128, concurrent_max: 16, idle_timeout: 10s }
component api
  source File("/apps/shop/api.wasm")
  reuse Reuse { requests_max: 2, concurrent_max: 1, idle_timeout: 1s }
component task
  source File("/apps/shop/task.wasm")
trigger Command { component: Name("task"), arguments: [] }
trigger http, access log Json
  listen 127.0.0.1:8080 None
  listen 127.0.0.1:8081 None
  listen [::]:8443, encrypted Some(TlsFiles { certificate: "/apps/shop/tls/cert.pem", key: "/etc/key.pem" })
  listen unix:/apps/shop/app.sock, behind a proxy that names the client None
  listen unix:/run/other.sock None
  listen 127.0.0.1:0 None
  listen 127.0.0.1:0 None
  admin 127.0.0.1:9090
  route api: GET POST {example.com,*.example.com}/api/{version}/* -> component api
    requests 64
    response timeout 5s
  route writes: PUT example.com/api/{any}/* -> component api
  route public: /public/* -> files /apps/shop/public
  route rest: /* -> component site
  limits HttpLimits {
    connections_max: 10,
    requests_max: 100,
    queue_max: 0,
    queue_timeout: 0ns,
    head_bytes_max: 16384,
    headers_max: 32,
    body_bytes_max: Some(
        1048576,
    ),
    head_timeout: 1s,
    body_timeout: 2s,
    idle_timeout: 3s,
    response_timeout: 4s,
    total_timeout: 300s,
    grace: 0ns,
    streams_max: 6,
}
