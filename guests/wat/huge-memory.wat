;; Wants all 4 GiB that 32 bits can address before it runs.
(module
  (memory (export "memory") 65536)
  (func (export "_start")))
