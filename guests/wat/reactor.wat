;; A reactor of preview 1: `_initialize` first, then any number of calls.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $calls (mut i32) (i32.const -1000))
  (data (i32.const 16) "reactor called\n")
  (func (export "_initialize")
    (global.set $calls (i32.const 0)))
  ;; The number of this call: 1 in a fresh instance, negative where `_initialize` was forgotten.
  (func (export "count") (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (global.get $calls))
  (func (export "greet")
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 15))
    (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
      (then unreachable))))
