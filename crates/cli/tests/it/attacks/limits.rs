//! Growing beyond what one's own limits allow, while the app as a whole has more.

use super::{Attack, GO, IDLE, attack};

/// One mebibyte and a hundred elements.
const SMALL: &str = "limits = { memory = \"1MiB\", tables = 100 }\n";

/// A module that defines something and grows it by one until it is refused; five instances of it, and an attack
/// that has all of them grow: it answers 0 as long as all together got no more than `most` and no less than five.
fn five_growing(defined: &str, grow: &str, size: &str, most: u32) -> String {
    let instances: String = (0..5)
        .map(|index| format!("(core instance $h{index} (instantiate $hog))"))
        .collect();
    let imports: String = (0..5)
        .map(|index| format!("(import \"h{index}\" \"grow\" (func $h{index} (result i32)))"))
        .collect();
    let given: String = (0..5)
        .map(|index| format!("(with \"h{index}\" (instance $h{index}))"))
        .collect();
    let sums: String = (0..5)
        .map(|index| format!("(local.set 0 (i32.add (local.get 0) (call $h{index})))"))
        .collect();
    format!(
        r#"(core module $hog {defined}
          (func (export "grow") (result i32)
            (block $full
              (loop $more
                (br_if $full (i32.eq {grow} (i32.const -1)))
                (br $more)))
            {size}))
        {instances}
        (core module $attack {imports}
          (func (export "go") (result i32) (local i32)
            {sums}
            (i32.or
              (i32.gt_u (local.get 0) (i32.const {most}))
              (i32.lt_u (local.get 0) (i32.const 5)))))
        (core instance $attack (instantiate $attack {given}))"#
    )
}

/// Pages that five memories may have beside that of the library.
const PAGES: u32 = 15;

fn of_memory(defined: &str) -> Attack {
    let hogs = five_growing(defined, "(memory.grow (i32.const 1))", "(memory.size)", PAGES);
    attack(&[&hogs, GO], SMALL)
}

#[test]
fn growing_memory_beyond_ones_own_limit_in_many_instances() {
    of_memory("(memory 1)").finds_nothing();
    of_memory("(memory 1 60000)").finds_nothing();
}

#[test]
fn growing_memory_beyond_ones_own_limit_in_many_memories() {
    let grow_all = r#"(i32.and
        (i32.and (memory.grow $a (i32.const 1)) (memory.grow $b (i32.const 1)))
        (memory.grow $c (i32.const 1)))"#;
    let sum = "(i32.add (i32.add (memory.size $a) (memory.size $b)) (memory.size $c))";
    let hogs = five_growing("(memory $a 0) (memory $b 0) (memory $c 1)", grow_all, sum, PAGES);
    attack(&[&hogs, GO], SMALL).finds_nothing();
}

#[test]
fn growing_memory_with_addresses_of_64_bits() {
    let hogs = five_growing(
        "(memory i64 1)",
        "(i32.wrap_i64 (memory.grow (i64.const 1)))",
        "(i32.wrap_i64 (memory.size))",
        PAGES,
    );
    attack(&[&hogs, GO], SMALL).finds_nothing();
    // In one step, past every bound that fits in 32 bits.
    let leap = r#"(core module $attack (memory i64 1)
        (func (export "go") (result i32)
          (i64.ne (memory.grow (i64.const 0x1_0000_0000)) (i64.const -1))))
      (core instance $attack (instantiate $attack))"#;
    attack(&[leap, GO], SMALL).finds_nothing();
}

#[test]
fn growing_tables_beyond_ones_own_limit() {
    let hogs = five_growing(
        "(table $t 1 funcref)",
        "(table.grow $t (ref.null func) (i32.const 1))",
        "(table.size $t)",
        100,
    );
    attack(&[&hogs, GO], SMALL).finds_nothing();
}

#[test]
fn beginning_with_more_than_ones_own_limit() {
    for (defined, said) in [
        (
            "(memory 4)",
            "its memories, 6 in all instances, begin with 1.3 MiB together, its limit is 1 MiB",
        ),
        (
            "(memory 17)",
            "its memories, 6 in all instances, begin with 5.4 MiB together, its limit is 1 MiB",
        ),
        (
            "(memory i64 0x1_0000_0000)",
            "its memories, 6 in all instances, begin with",
        ),
        (
            "(table 21 21 funcref)",
            "its tables, 5 in all instances, begin with 105 elements together, its limit is 100",
        ),
        (
            "(table 101 funcref)",
            "its tables, 5 in all instances, begin with 505 elements together",
        ),
    ] {
        let hogs = five_growing(defined, "(i32.const -1)", "(i32.const 1)", PAGES);
        attack(&[&hogs, GO], SMALL).is_refused(&[
            "component `evil` does not fit its limits",
            said,
            "weft.toml:7:",
        ]);
    }
}

#[test]
fn memories_of_a_kind_that_no_limit_counts() {
    for defined in ["(memory 1 2 shared)", "(memory 1 (pagesize 1))"] {
        let module = format!("(core module $own {defined}) (core instance (instantiate $own))");
        attack(&[&module, IDLE, GO], SMALL).is_refused(&["component `evil`", "weft.toml:"]);
    }
}

#[test]
fn instances_that_double_at_every_level() {
    let mut text = "(component $c0 (core module $m (memory 1)) (core instance (instantiate $m)))".to_owned();
    for level in 0..40 {
        text.push_str(&format!(
            "(component $c{next} (alias outer 1 $c{level} (component $x)) \
             (instance (instantiate $x)) (instance (instantiate $x)))",
            next = level + 1
        ));
    }
    text.push_str("(instance (instantiate $c40))");
    attack(&[&text, IDLE, GO], SMALL).is_refused(&[
        "component `evil` does not fit its limits: it makes more than 10000 instances",
        "weft.toml:7:",
    ]);
}

#[test]
fn running_a_module_of_a_neighbour_whose_memory_is_not_ones_own() {
    let foreign = r#"(import "docs:code/module" (instance $code (export "m" (core module (export "memory" (memory 1))))))
        (alias export $code "m" (core module $got))
        (core instance (instantiate $got)) (core instance (instantiate $got))"#;
    let holder = r#"(core module $large (memory (export "memory") 1))
        (instance $code (export "m" (core module $large)))
        (export "docs:code/module" (instance $code))"#;
    let attack = attack(
        &[foreign, IDLE, GO],
        &format!("{SMALL}[component.holder]\nsource = \"holder.wat\"\n"),
    );
    attack.app.file("holder.wat", super::component(&[holder]));
    attack.is_refused(&["component `evil`", "not its own", "weft.toml:7:"]);
}

#[test]
fn growing_the_heap_of_the_engine_beyond_ones_own_limit() {
    // Arrays of a mebibyte, each of which holds on to the one before.
    let keeper = |count: u32| {
        format!(
            r#"(core module $attack
              (type $bytes (array (mut i8)))
              (type $link (struct (field (ref null $link)) (field (ref $bytes))))
              (global $kept (mut (ref null $link)) (ref.null $link))
              (func (export "go") (result i32) (local $left i32)
                (local.set $left (i32.const {count}))
                (loop $more
                  (global.set $kept (struct.new $link
                    (global.get $kept) (array.new_default $bytes (i32.const 0x10_0000))))
                  (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
                (i32.const {answer})))
            (core instance $attack (instantiate $attack))"#,
            answer = u32::from(count > 1)
        )
    };
    let limit = |size: &str| format!("limits = {{ memory = \"{size}\" }}\n");
    attack(&[&keeper(1), GO], &limit("16MiB")).finds_nothing();
    let outcome = attack(&[&keeper(40), GO], &limit("16MiB")).up().with_code(124);
    let said = outcome.stderr();
    assert!(
        said.contains("of heap for its structs, arrays and exceptions; its components may have 8 MiB"),
        "{said}"
    );
    assert!(said.contains("`[component.NAME.limits]`"), "{said}");
}
