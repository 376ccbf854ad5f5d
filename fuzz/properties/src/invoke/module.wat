;; Functions of every core type. Nothing in here is ever run.
(module
  (func (export "nothing") unreachable)
  (func (export "integers") (param i32 i64) unreachable)
  (func (export "floats") (param f32 f64) unreachable)
  (func (export "vector") (param v128) unreachable)
  (func (export "references") (param externref funcref) unreachable)
  (func (export "whole") (param (ref extern)) unreachable)
  (func (export "odd name(") (param i32) unreachable)
  (memory (export "no-function") 1))
