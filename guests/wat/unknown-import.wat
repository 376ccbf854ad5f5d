;; A command of preview 1 that also wants a function that no host has.
(module
  (import "example" "absent" (func $absent (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $absent (i32.const 1)))))
