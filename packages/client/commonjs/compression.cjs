// As `index.cjs`.
module.exports = require("../dist/node-compression.js");
