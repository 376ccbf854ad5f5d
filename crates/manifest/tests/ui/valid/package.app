app shop
component main
  source Package("docs:markup@1.2.0")
component other
  source Package("docs:other")
