;; Stands in front of another component of 0.3 and hands every request on, and every answer back.
(component
  (import "wasi:http/types@0.3.0" (instance $types
    (export "request" (type (sub resource)))
    (export "response" (type (sub resource)))
    (type $dns (record (field "rcode" (option string)) (field "info-code" (option u16))))
    (export "DNS-error-payload" (type $dns-payload (eq $dns)))
    (type $tls (record (field "alert-id" (option u8)) (field "alert-message" (option string))))
    (export "TLS-alert-received-payload" (type $tls-payload (eq $tls)))
    (type $size (record (field "field-name" (option string)) (field "field-size" (option u32))))
    (export "field-size-payload" (type $size-payload (eq $size)))
    (type $codes (variant
      (case "DNS-timeout") (case "DNS-error" $dns-payload) (case "destination-not-found")
      (case "destination-unavailable") (case "destination-IP-prohibited") (case "destination-IP-unroutable")
      (case "connection-refused") (case "connection-terminated") (case "connection-timeout")
      (case "connection-read-timeout") (case "connection-write-timeout") (case "connection-limit-reached")
      (case "TLS-protocol-error") (case "TLS-certificate-error") (case "TLS-alert-received" $tls-payload)
      (case "HTTP-request-denied") (case "HTTP-request-length-required") (case "HTTP-request-body-size" (option u64))
      (case "HTTP-request-method-invalid") (case "HTTP-request-URI-invalid") (case "HTTP-request-URI-too-long")
      (case "HTTP-request-header-section-size" (option u32)) (case "HTTP-request-header-size" (option $size-payload))
      (case "HTTP-request-trailer-section-size" (option u32)) (case "HTTP-request-trailer-size" $size-payload)
      (case "HTTP-response-incomplete") (case "HTTP-response-header-section-size" (option u32))
      (case "HTTP-response-header-size" $size-payload) (case "HTTP-response-body-size" (option u64))
      (case "HTTP-response-trailer-section-size" (option u32)) (case "HTTP-response-trailer-size" $size-payload)
      (case "HTTP-response-transfer-coding" (option string)) (case "HTTP-response-content-coding" (option string))
      (case "HTTP-response-timeout") (case "HTTP-upgrade-failed") (case "HTTP-protocol-error")
      (case "loop-detected") (case "configuration-error") (case "internal-error" (option string))))
    (export "error-code" (type $code (eq $codes)))))
  (alias export $types "request" (type $request))
  (alias export $types "response" (type $response))
  (alias export $types "error-code" (type $error))
  (import "wasi:http/handler@0.3.0" (instance $next
    (alias outer 1 $request (type $outer-request))
    (alias outer 1 $response (type $outer-response))
    (alias outer 1 $error (type $outer-error))
    (export "handle" (func async
      (param "request" (own $outer-request)) (result (result (own $outer-response) (error $outer-error)))))))

  (core module $memory
    (memory (export "memory") 1)
    ;; Where the next text of an error goes. Answers lie below.
    (global $end (mut i32) (i32.const 1024))
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and
        (i32.sub (i32.add (global.get $end) (local.get $align)) (i32.const 1))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $end (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (global.get $end) (i32.const 65536)) (then unreachable))
      (local.get $at)))
  (core instance $memory (instantiate $memory))
  (core func $next
    (canon lower (func $next "handle") (memory $memory "memory") (realloc (func $memory "realloc"))))

  (core module $main
    (import "next" "handle" (func $next (param i32 i32)))
    ;; An answer looks the same in both directions, so it stays where it came.
    (func (export "handle") (param $request i32) (result i32)
      (call $next (local.get $request) (i32.const 64))
      (i32.const 64)))
  (core instance $main (instantiate $main (with "next" (instance (export "handle" (func $next))))))
  (func $handle async (param "request" (own $request)) (result (result (own $response) (error $error)))
    (canon lift (core func $main "handle") (memory $memory "memory") (realloc (func $memory "realloc"))))
  (instance $exports (export "handle" (func $handle)))
  (export "wasi:http/handler@0.3.0" (instance $exports)))
