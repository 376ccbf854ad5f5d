;; Stands in front of another component of 0.2 and hands every request on.
(component
  (import "wasi:http/types@0.2.0" (instance $types
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type (sub resource)))))
  (alias export $types "incoming-request" (type $request))
  (alias export $types "response-outparam" (type $outparam))
  (import "wasi:http/incoming-handler@0.2.0" (instance $next
    (alias outer 1 $request (type $outer-request))
    (alias outer 1 $outparam (type $outer-outparam))
    (export "handle" (func (param "request" (own $outer-request)) (param "response-out" (own $outer-outparam))))))
  (core func $next (canon lower (func $next "handle")))
  (core module $main
    (import "next" "handle" (func $next (param i32 i32)))
    (func (export "handle") (param $request i32) (param $out i32)
      (call $next (local.get $request) (local.get $out))))
  (core instance $main (instantiate $main (with "next" (instance (export "handle" (func $next))))))
  (func $handle (param "request" (own $request)) (param "response-out" (own $outparam))
    (canon lift (core func $main "handle")))
  (instance $exports (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $exports)))
