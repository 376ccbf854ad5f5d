;; Is called with a number that says what to do: 0 hands it back, 1 traps, 2 never ends, 3 eats memory, 4 overflows the
;; stack, 5 counts its calls, 6 fills a table, 7 writes beyond its memory.
(component
  (core module $main
    (memory (export "memory") 1)
    (table $table 1 funcref)
    (global $calls (mut i32) (i32.const 0))
    (func $dive (param i32) (result i32)
      (i32.add (call $dive (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
    (func (export "call") (param $what i32) (result i32)
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (if (i32.eq (local.get $what) (i32.const 1)) (then unreachable))
      (if (i32.eq (local.get $what) (i32.const 2)) (then (loop $on (br $on))))
      (if (i32.eq (local.get $what) (i32.const 3)) (then
        (loop $on
          (memory.fill (i32.mul (i32.sub (memory.size) (i32.const 1)) (i32.const 65536)) (i32.const 1) (i32.const 65536))
          (br_if $on (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        unreachable))
      (if (i32.eq (local.get $what) (i32.const 4)) (then (return (call $dive (i32.const 0)))))
      (if (i32.eq (local.get $what) (i32.const 5)) (then (return (global.get $calls))))
      (if (i32.eq (local.get $what) (i32.const 6)) (then
        (loop $on (br_if $on (i32.ne (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1))))
        unreachable))
      (if (i32.eq (local.get $what) (i32.const 7)) (then (i32.store (i32.const -8) (i32.const 1))))
      (local.get $what)))
  (core instance $main (instantiate $main))
  (func $call (param "what" u32) (result u32) (canon lift (core func $main "call")))
  (instance $exports (export "call" (func $call)))
  (export "test:cell/callee" (instance $exports)))
