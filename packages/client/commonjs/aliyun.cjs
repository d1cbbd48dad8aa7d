// As `index.cjs`.
module.exports = require("../dist/aliyun.js");
