;; A command of 0.2 that imports the types of `wasmcloud:keyvalue` and none of its asynchronous functions.
(component
  (import "wasmcloud:keyvalue/types@0.2.0" (instance $types
    (export "bucket" (type (sub resource)))
    (type $failure (variant
      (case "no-such-store") (case "access-denied") (case "invalid-argument") (case "precondition-failed")
      (case "timeout") (case "store-unavailable") (case "quota-exceeded") (case "other" string)))
    (export "error" (type (eq $failure)))))
  (core module $code (func (export "run") (result i32) (i32.const 0)))
  (core instance $code (instantiate $code))
  (func $run (result (result)) (canon lift (core func $code "run")))
  (instance $exports (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $exports)))
