app shop
limits Limits {
    memory_bytes_max: None,
    table_elements_max: None,
    wall_time_max: None,
    cpu_time_max: None,
    fuel_max: None,
    stack_bytes_max: 1048576,
    handles_max: 4096,
    output_bytes_max: None,
}
component main
  source File("/apps/shop/main.wasm")
