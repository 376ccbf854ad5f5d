// A command written in AssemblyScript: says hello to whoever its first argument names.
const words = process.argv;
const who = words.length > 1 ? words[1] : "world";
process.stdout.write("hello, " + who + ", from assemblyscript\n");
if (who == "nobody") {
  process.exit(3);
}
