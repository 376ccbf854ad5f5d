;; Grows its table by a million elements at a time and traps when the host refuses.
(module
  (memory (export "memory") 1)
  (table $table 1 funcref)
  (func (export "_start")
    (loop $again
      (if (i32.eq (table.grow $table (ref.null func) (i32.const 1000000)) (i32.const -1))
        (then unreachable))
      (br $again)))
  ;; How many elements there are after asking for so many more: the polite way.
  (func (export "grow") (param i32) (result i32)
    (drop (table.grow $table (ref.null func) (local.get 0)))
    (table.size $table)))
