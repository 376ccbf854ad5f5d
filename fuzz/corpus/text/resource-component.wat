(component
  (core module $m (func (export "dtor") (param i32)) (func (export "make") (result i32) (i32.const 9)))
  (core instance $i (instantiate $m))
  (type $r (resource (rep i32) (dtor (func $i "dtor"))))
  (core func $new (canon resource.new $r))
  (core func $rep (canon resource.rep $r))
  (core func $drop (canon resource.drop $r))
  (export $thing "thing" (type $r))
  (func (export "make") (result (own $thing)) (canon lift (core func $i "make"))))
