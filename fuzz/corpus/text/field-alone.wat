(; a (; comment ;) inside ;) (func (export "f") (result i32) i32.const 42)
(memory 1)
