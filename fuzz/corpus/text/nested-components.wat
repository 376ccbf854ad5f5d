;; Parts inside parts, with aliases that reach outwards.
(component $outer
  (type $t (record (field "x" u8)))
  (core module $shared (func (export "f")))
  (component $middle
    (alias outer $outer $shared (core module $again))
    (component $inner
      (alias outer $outer $t (type $alias))
      (core module (func (export "g") (result i32) (i32.const 1)))
      (import "in" (func (param "a" u8))))
    (core instance (instantiate $again)))
  (instance (instantiate $middle))
  (component (component (component (component)))))
