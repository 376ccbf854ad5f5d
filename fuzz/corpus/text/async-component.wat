;; Functions, streams and futures of the asynchronous component model.
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "cb") (param i32 i32 i32) (result i32) unreachable)
    (func (export "f") (param i32) (result i32) unreachable))
  (core instance $i (instantiate $m))
  (func (export "run") async (param "s" (stream u8)) (result (future string))
    (canon lift (core func $i "f") async (memory $i "memory") (callback (func $i "cb"))))
  (type $stream (stream u8))
  (core func $new (canon stream.new $stream))
  (core func $drop (canon stream.drop-readable $stream))
  (core func $ws (canon waitable-set.new)))
