;; A component without imports and without a command: functions for `--invoke` only, two components deep.
(component
  (component $inner
    (core module $numbers
      (func (export "add") (param i32 i32) (result i32)
        (i32.add (local.get 0) (local.get 1))))
    (core instance $numbers (instantiate $numbers))
    (func (export "add") (param "a" u32) (param "b" u32) (result u32)
      (canon lift (core func $numbers "add"))))
  (instance $inner (instantiate $inner))
  (export "add" (func $inner "add")))
