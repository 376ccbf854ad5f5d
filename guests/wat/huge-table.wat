;; Wants a table of ten million elements, which is host memory that no memory limit counts.
(module
  (memory (export "memory") 1)
  (table 10000000 funcref)
  (func (export "_start")))
