(module
  (func $deep (param i32) (result i32)
    (block $out (result i32)
      (loop $again
        (br_if $again (local.get 0))
        (if (local.get 0)
          (then (br $out (i32.const 1)))
          (else (br_table $again $again (local.get 0)))))
      (i32.const 3)))
  (func (param f32 f64) (result f64)
    (select (result f64) (f64.promote_f32 (local.get 0)) (local.get 1) (i32.const 1)))
  (func (local i32 i32 i32 i64) (local.set 0 (i32.trunc_sat_f64_u (f64.const nan:0x4000)))
    (drop (f32.const -0x1.fffffep127)) unreachable))
