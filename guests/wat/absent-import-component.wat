;; A command of 0.2 that imports an interface nobody implements and calls it.
(component
  (import "example:absent/thing@1.0.0" (instance $thing (export "do-it" (func (result u32)))))
  (core func $do-it (canon lower (func $thing "do-it")))
  (core module $main
    (import "thing" "do-it" (func $do-it (result i32)))
    (func (export "run") (result i32)
      (drop (call $do-it))
      (i32.const 0)))
  (core instance $main (instantiate $main
    (with "thing" (instance (export "do-it" (func $do-it))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $exports (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $exports)))
