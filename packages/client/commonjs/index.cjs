// Node hands `require` the ES module itself, so there is one copy of the client, however it is loaded.
module.exports = require("../dist/index.js");
