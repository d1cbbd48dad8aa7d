#!/usr/bin/env node
// This file is read by any Node, however old: it checks the version before it loads anything newer.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error("sericite: needs Node 20.19 or newer, and this is " + process.versions.node);
  process.exit(2);
}
import("../dist/main.js").catch(function (error) {
  if (error.code === "ERR_MODULE_NOT_FOUND" && /dist.main\.js/.test(error.message)) {
    console.error("sericite: not built yet: run `npm run build` first");
  } else {
    console.error(error);
  }
  process.exitCode = 1;
});
