;; Grows its memory by 16 MiB at a time, writing into every byte, and traps when the host refuses.
(module
  (memory (export "memory") 1)
  (func $grow
    (if (i32.eq (memory.grow (i32.const 256)) (i32.const -1)) (then unreachable))
    (memory.fill
      (i32.shl (i32.sub (memory.size) (i32.const 256)) (i32.const 16))
      (i32.const 1)
      (i32.const 0x1000000)))
  (func (export "_start")
    (loop $again (call $grow) (br $again)))
  ;; How many pages there are after asking for so many more: the polite way.
  (func (export "grow") (param i32) (result i32)
    (drop (memory.grow (local.get 0)))
    (memory.size)))
