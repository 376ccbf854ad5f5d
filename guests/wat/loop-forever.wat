;; A command that never ends and never calls the host.
(module
  (memory (export "memory") 1)
  (func $spin (export "spin") (loop $again (br $again)))
  (func (export "_start") (call $spin)))
