// Makes a component of a source file: `node build.mjs SOURCE WIT WORLD OUTPUT`.
import { writeFile } from "node:fs/promises";

import { componentize } from "@bytecodealliance/componentize-js";

const [sourcePath, witPath, worldName, output] = process.argv.slice(2);
// Without these two the engine does not import wasi:http, which no guest here uses.
const disableFeatures = ["http", "fetch-event"];
const { component } = await componentize({ sourcePath, witPath, worldName, disableFeatures });
await writeFile(output, component);
