app shop
limits Limits {
    memory_bytes_max: Some(
        1048576,
    ),
    table_elements_max: Some(
        1000,
    ),
    wall_time_max: Some(
        90s,
    ),
    cpu_time_max: Some(
        1800s,
    ),
    fuel_max: None,
    stack_bytes_max: 1048576,
    handles_max: 4096,
    output_bytes_max: Some(
        0,
    ),
}
component main
  source File("/apps/shop/main.wasm")
  limits ComponentLimits { memory_bytes_max: 1048576, table_elements_max: 16 }
