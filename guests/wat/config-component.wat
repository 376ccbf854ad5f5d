;; Reads one value of the host's configuration: `value: func(key: string) -> option<string>`.
(component
  (import "wasi:config/store@0.2.0-rc.1" (instance $store
    (type $error' (variant (case "upstream" string) (case "io" string)))
    (export "error" (type $error (eq $error')))
    (type $value (option string))
    (type $found (result $value (error $error)))
    (export "get" (func (param "key" string) (result $found)))
  ))
  (core module $memory
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      global.get $next
      (global.set $next
        (i32.and (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 7)) (i32.const -8)))
    )
  )
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $bytes))
  (alias core export $memory "realloc" (core func $realloc))
  (alias export $store "get" (func $get))
  (core func $lowered (canon lower (func $get) (memory $bytes) (realloc $realloc)))
  (core module $code
    (import "store" "get" (func $get (param i32 i32 i32)))
    (import "store" "memory" (memory 1))
    ;; The result is at 16: whether it is an error, and from 20 on the optional value.
    (func (export "value") (param i32 i32) (result i32)
      (call $get (local.get 0) (local.get 1) (i32.const 16))
      (if (i32.load8_u (i32.const 16)) (then unreachable))
      i32.const 20
    )
  )
  (core instance $store (export "get" (func $lowered)) (export "memory" (memory $bytes)))
  (core instance $code (instantiate $code (with "store" (instance $store))))
  (alias core export $code "value" (core func $value))
  (func (export "value") (param "key" string) (result (option string))
    (canon lift (core func $value) (memory $bytes) (realloc $realloc)))
)
