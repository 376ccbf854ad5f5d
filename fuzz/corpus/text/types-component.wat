;; Types of every kind, in an interface that others use.
(component
  (import "acme:shop/types@1.0.0" (instance $types
    (type $money' (record (field "amount" u64) (field "currency" (tuple char char char))))
    (export "money" (type $money (eq $money')))
    (type $state' (variant (case "open") (case "paid" $money) (case "failed" (result u8 (error string)))))
    (export "state" (type $state (eq $state')))
    (export "order" (type $order (sub resource)))
    (export "[constructor]order" (func (param "items" (list string)) (result (own $order))))
    (export "[method]order.state" (func (param "self" (borrow $order)) (result $state)))
    (export "[static]order.find" (func (param "id" u32) (result (option (own $order)))))))
  (alias export $types "order" (type $order))
  (import "acme:shop/till@1.0.0" (instance
    (alias outer 1 $order (type $o))
    (export "order" (type $mine (eq $o)))
    (export "pay" (func (param "order" (own $mine)) (result bool)))))
  (type $f (flags "a" "b" "c"))
  (export "rights" (type $f))
  (type $e (enum "x" "y"))
  (export "which" (type $e)))
