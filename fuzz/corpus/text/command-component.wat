;; A command of WASI 0.2 with a core module, an import with a type, and a name.
(component $greeter
  (import "wasi:cli/environment@0.2.3"
    (instance (export "get-environment" (func (result (list (tuple string string)))))))
  (core module $main
    (memory (export "memory") 1 4)
    (func $run (export "run") (result i32) i32.const 0)
    (data (i32.const 0) "hello\00\ff"))
  (core instance $instance (instantiate $main))
  (func $run (result (result)) (canon lift (core func $instance "run")))
  (instance $exported (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $exported)))
