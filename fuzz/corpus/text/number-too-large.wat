(module
  (func
    (i32.const 99999999999)))
